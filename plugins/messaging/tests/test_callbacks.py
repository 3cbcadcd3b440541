"""What providers and readers tell afterwards: reports of bounces, complaints, and one-click unsubscribing."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from riveredge_messaging.providers.signatures import sign
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

REPORT = """From: MAILER-DAEMON@mx.example\r
To: bounces+{hex}@acme.example\r
Message-ID: <{id}@mx.example>\r
Date: Wed, 25 Nov 2026 10:00:00 +0000\r
Subject: Undelivered\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
It did not work.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example\r
\r
Final-Recipient: rfc822; somebody@example.com\r
Action: failed\r
Status: {status}\r
Diagnostic-Code: smtp; 550 {status} no\r
\r
--b--\r
"""


def path_of(config: dict[str, Any]) -> str:
    return urlsplit(config["callback_url"]).path


def test_call_backs_are_signed_and_taken_once_and_go_forwards(
    client: ApiClient, anonymous: ApiClient, platform: PlatformUnderTest, send: Any
) -> None:
    settings = {"printer": "hall", "signing_key": "k3y"}
    body = {"title": "Paper", "provider": "example.paper_mail", "settings": settings}
    config = client.post("/api/v1/messaging/configs", json=body).json()
    delivery = send()["deliveries"][0]["id"]
    platform.settle()

    def tell(*events: tuple[str, str], key: str = "k3y") -> Any:
        told = [{"id": e, "kind": kind, "mail": delivery, "at": "2026-11-25T10:00:00+00:00"} for e, kind in events]
        raw = json.dumps(told).encode()
        signature = hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
        answer = anonymous.request("POST", path_of(config), content=raw, headers={"X-Signature": signature})
        platform.settle()
        return answer

    def status() -> str:
        found: str = client.get(f"/api/v1/messaging/deliveries/{delivery}").json()["status"]
        return found

    assert status() == "sent"
    assert tell(("1", "delivered"), key="wrong").status_code == 403
    assert status() == "sent"
    assert tell(("1", "delivered")).json() == {"new": 1, "code": 0}
    assert tell(("1", "delivered")).json() == {"new": 0, "code": 0}
    assert status() == "delivered"
    assert tell(("3", "complained"), ("2", "bounced"), ("4", "opened"), ("5", "delivered")).json() == {
        "new": 4,
        "code": 0,
    }
    assert status() == "complained"
    (entry,) = client.get("/api/v1/messaging/suppressions").json()["items"]
    assert entry["reason"] in {"complaint", "hard_bounce"}
    told = client.get(f"/api/v1/messaging/deliveries/{delivery}/sending").json()["notices"]
    assert len(told) == 5
    # Not to be found: another organisation's, or none at all.
    assert anonymous.post(f"/api/v1/messaging/callbacks/{uuid4()}/{config['id']}").status_code == 404
    assert anonymous.post(f"/api/v1/messaging/callbacks/x/{config['id']}").status_code == 404


def test_a_bounce_that_comes_back_by_mail_is_understood(
    client: ApiClient, anonymous: ApiClient, servers: Any, send: Any, ended: Any
) -> None:
    mailbox = servers.start()
    settings = {"bounce_address": "bounces@acme.example", "inbound_secret": "s3cret"}
    config = servers.configure(mailbox, "A", settings=settings)
    (delivery,) = ended(send())
    (mail,) = mailbox.mails
    assert mail.sender == f"bounces+{delivery['id'].replace('-', '')}@acme.example"
    raw = REPORT.format(hex=delivery["id"].replace("-", ""), id=uuid4(), status="5.1.1").encode()
    place = path_of(config)
    for signature in ("", sign("other", raw), sign("s3cret", raw, at=1_700_000_000)):
        refused = anonymous.request("POST", place, content=raw, headers={"X-RiverEdge-Signature": signature})
        assert refused.status_code == 403, refused.text
    for new in (1, 0):
        answer = anonymous.request("POST", place, content=raw, headers={"X-RiverEdge-Signature": sign("s3cret", raw)})
        assert (answer.status_code, answer.json()) == (200, {"new": new, "code": 0}), answer.text
    servers.settle()
    told = client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()
    assert (told["status"], told["error"]) == ("bounced", "5.1.1 smtp; 550 5.1.1 no")
    assert ended(send())[0]["status"] == "suppressed"
    assert len(mailbox.mails) == 1


def test_one_click_ends_mails_of_one_kind(
    anonymous: ApiClient, as_user: AsUser, servers: Any, send: Any, ended: Any
) -> None:
    mailbox = servers.start()
    servers.configure(mailbox, "A")
    wei = as_user({"messaging.inbox.use"}, locale="zh-CN")
    assert wei.user is not None
    assert ended(send(to=[str(wei.user.id)]))[0]["status"] == "sent"
    headers = mailbox.mails[0].message
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    place = urlsplit(headers["List-Unsubscribe"].strip("<>")).path
    # Mail scanners look at links: nothing happens.
    page = anonymous.get(place)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "退订" in page.text
    assert anonymous.request("HEAD", place).status_code in {200, 405}
    assert ended(send(to=[str(wei.user.id)]))[0]["status"] == "sent"
    # The button of the mail program.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        clicked = anonymous.request("POST", place, content=b"List-Unsubscribe=One-Click", headers=form)
        assert clicked.status_code == 200, clicked.text
    (delivery,) = ended(send(to=[str(wei.user.id)]))
    assert (delivery["status"], delivery["reason"]) == ("skipped", "refused_both")
    assert len(mailbox.mails) == 2
    # Others still get theirs, and a link that was changed is none.
    assert ended(send())[0]["status"] == "sent"
    for broken in (place[:-2] + "xx", place[: len(place) // 2], place + "A"):
        assert anonymous.request("POST", broken).status_code == 404
    stolen = anonymous.get("/api/v1/messaging/inbox", headers={"Authorization": f"Bearer {place.rpartition('/')[2]}"})
    assert stolen.status_code == 401
