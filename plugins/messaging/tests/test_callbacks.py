"""What providers and readers tell afterwards: reports of bounces, complaints, and one-click unsubscribing."""

import hashlib
import hmac
import json
from base64 import b32encode
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from riveredge_messaging import plugin
from riveredge_messaging.providers.signatures import sign
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

REPORT = """From: MAILER-DAEMON@mx.example\r
To: {to}\r
Message-ID: <{id}@mx.example>\r
Date: Wed, 25 Nov 2026 10:00:00 +0000\r
Subject: About your mail\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type={kind}; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
For people.\r
--b\r
Content-Type: message/{kind}\r
\r
{told}\r
\r
--b\r
Content-Type: {brought}\r
\r
{mail}\r
--b--\r
"""


def bounce(to: str, status: str = "5.1.1", *, action: str = "failed", brought: str = "", mail: str = "") -> bytes:
    """A delivery status notification (RFC 3464)."""
    recipient = f"Final-Recipient: rfc822; a@example.com\r\nAction: {action}\r\nStatus: {status}"
    told = f"Reporting-MTA: dns; mx.example\r\n\r\n{recipient}\r\nDiagnostic-Code: smtp; 550 {status} no"
    kind = brought or "text/rfc822-headers"
    return REPORT.format(to=to, id=uuid4(), kind="delivery-status", told=told, brought=kind, mail=mail).encode()


def complaint(original: str, *, kind: str = "abuse", mail: str = "") -> bytes:
    """A report of a feedback loop (RFC 5965), which goes to an address that was agreed on."""
    told = f"Feedback-Type: {kind}\r\nUser-Agent: Loop/1\r\nVersion: 1\r\nOriginal-Mail-From: <{original}>"
    values = {"kind": "feedback-report", "told": told, "brought": "message/rfc822", "mail": mail}
    return REPORT.format(to="abuse@acme.example", id=uuid4(), **values).encode()


def path_of(config: dict[str, Any]) -> str:
    return urlsplit(str(config["callback_url"])).path


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


class Reports:
    """A configuration whose reports are handed in as the organisation's mail server does it."""

    def __init__(self, anonymous: ApiClient, servers: Any) -> None:
        self.anonymous, self.servers, self.mailbox = anonymous, servers, servers.start()
        settings = {"bounce_address": "bounces@acme.example", "inbound_secret": "s3cret"}
        self.place = path_of(servers.configure(self.mailbox, "A", settings=settings))

    def hand_in(self, raw: bytes, signature: str | None = None) -> Any:
        """The answer, once what it says has been applied."""
        headers = {"X-RiverEdge-Signature": sign("s3cret", raw) if signature is None else signature}
        answer = self.anonymous.request("POST", self.place, content=raw, headers=headers)
        self.servers.settle()
        return answer

    def new(self, raw: bytes) -> int:
        """How many events a report brings."""
        answer = self.hand_in(raw)
        assert answer.status_code == 200, answer.text
        count: int = answer.json()["new"]
        return count


@pytest.fixture
def reports(anonymous: ApiClient, servers: Any) -> Reports:
    return Reports(anonymous, servers)


def test_a_bounce_that_comes_back_by_mail_is_understood(
    client: ApiClient, reports: Reports, send: Any, ended: Any
) -> None:
    (delivery,) = ended(send())
    (mail,) = reports.mailbox.mails
    local, _, domain = mail.sender.partition("@")
    assert (local.partition("+")[0], domain) == ("bounces", "acme.example")
    assert len(local) <= 64
    raw = bounce(mail.sender).replace(b" no\r\n", b" no\x00\xff\r\n")
    for signature in ("", sign("other", raw), sign("s3cret", raw, at=1_700_000_000)):
        assert reports.hand_in(raw, signature).status_code == 403
    # What is no report, or none that something is over, changes nothing.
    assert reports.new(b"From: a@example.com\r\nTo: b@acme.example\r\nSubject: I am away\r\n\r\nBye") == 0
    assert reports.new(bounce(mail.sender, "4.4.1", action="delayed")) == 0
    # Anybody can write to the address, in whatever form.
    for odd in (b'"', b"<@", b"a(b@", b"=?utf-8?b?/w==?= <", b"\xff\x00,"):
        hostile = bounce(mail.sender).replace(b"To: ", b"To: " + odd, 1)
        assert reports.hand_in(hostile.replace(b"Action: failed", b"Action: delayed")).status_code == 200
    for new in (1, 0):
        assert reports.new(raw) == new
    told = client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()
    assert (told["status"], told["error"]) == ("bounced", "5.1.1 smtp; 550 5.1.1 no\ufffd")
    assert ended(send())[0]["status"] == "suppressed"
    assert len(reports.mailbox.mails) == 1
    # All of that is told to the person, and taken off them. The address stays suppressed, without saying whose it is.
    known = asked(reports.servers.platform, client, plugin.export_personal_data)
    (attempt,), (report,), (address,) = (
        known[each] for each in ("attempts", "provider_reports", "suppressed_addresses")
    )
    assert (attempt["provider"], attempt["state"]) == ("messaging.smtp", "accepted")
    assert (report["kind"], report["detail"]) == ("bounced", "5.1.1 smtp; 550 5.1.1 no\ufffd")
    assert (address["reason"], address["address"][1:3]) == ("hard_bounce", "…@")
    assert asked(reports.servers.platform, client, plugin.erase_personal_data) > 0
    left = asked(reports.servers.platform, client, plugin.export_personal_data)
    assert [each["error"] or each["reference"] for each in left["attempts"]] == [None]
    assert [each["detail"] for each in left["provider_reports"]] == [""]
    assert [(each["address"], each["detail"]) for each in left["suppressed_addresses"]] == [("…", "")]
    assert {each["address"] for each in left["deliveries"]} == {None}
    assert client.user is not None
    assert client.user.email not in str(left)
    assert {message["data"].get("product") for message in client.get("/api/v1/messaging/messages").json()["items"]} == {
        None
    }
    assert ended(send())[0]["status"] == "suppressed"


def asked(platform: PlatformUnderTest, client: ApiClient, hook: Any) -> Any:
    """What a hook about personal data says about the client's user."""
    assert client.user is not None
    user = client.user

    async def work() -> Any:
        with use_context(platform.context(user.tenant)):
            async with unit_of_work():
                return await hook(user.id)

    return platform.run(work())


def test_reports_that_anybody_could_have_written_are_not_believed(
    client: ApiClient, reports: Reports, send: Any, ended: Any
) -> None:
    (delivery,) = ended(send())
    (mail,) = reports.mailbox.mails
    mark = mail.sender.partition("+")[2].partition("@")[0]
    assert mail.message["X-RiverEdge-Delivery"] == mark
    bare = delivery["id"].replace("-", "")
    message_id = f"Message-ID: {mail.message['Message-ID']}"
    forged = b32encode(UUID(delivery["id"]).bytes + bytes(10)).decode().rstrip("=").lower()
    # Its first letters are the delivery's id, its last ones the signature.
    changed = mark[:-3] + ("a" if mark[-3] != "a" else "b") + mark[-2:]
    for to in (bare, delivery["id"], forged, changed, mark[:-1], f"{mark}a"):
        assert reports.new(bounce(f"bounces+{to}@acme.example")) == 0
        assert reports.new(complaint(f"bounces+{to}@acme.example")) == 0
    assert reports.new(bounce("bounces@acme.example", mail=message_id)) == 0
    assert reports.new(bounce("bounces@acme.example", brought="message/rfc822", mail=f"{message_id}\r\n\r\nx")) == 0
    assert client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()["status"] == "sent"
    assert client.get("/api/v1/messaging/suppressions").json()["items"] == []
    # The mark counts wherever it comes back, also from servers that write in capitals.
    assert reports.new(bounce("bounces@acme.example", "5.2.2", mail=f"X-RiverEdge-Delivery: {mark.upper()}")) == 1
    assert client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()["status"] == "bounced"


def test_full_mailboxes_count_and_complaints_end_it(
    client: ApiClient, reports: Reports, as_user: AsUser, send: Any, ended: Any
) -> None:
    # Three that could not be delivered for now are as good as one for good.
    for number in range(3):
        (delivery,) = ended(send())
        assert delivery["status"] == "sent"
        assert reports.new(bounce(reports.mailbox.mails[-1].sender, ("4.2.2", "5.2.2", "4.4.7")[number])) == 1
        told = client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()
        assert told["status"] == "bounced"
    (listed,) = client.get("/api/v1/messaging/suppressions").json()["items"]
    assert listed["reason"] == "hard_bounce"
    assert ended(send())[0]["status"] == "suppressed"
    # One complaint is enough, wherever it brings the mark back.
    angry, cross, glad = as_user(()), as_user(()), as_user(())
    people = {each.user.email: str(each.user.id) for each in (angry, cross, glad) if each.user}
    ended(send(to=list(people.values())))
    mails = {mail.recipients[0]: mail for mail in reports.mailbox.mails[3:]}
    first, second, third = (mails[address] for address in people)
    assert reports.new(complaint(first.sender)) == 1
    headers = f"X-RiverEdge-Delivery: {second.message['X-RiverEdge-Delivery']}\r\nSubject: x"
    assert reports.new(complaint("redacted@mx.example", kind="fraud", mail=f"{headers}\r\n\r\nx")) == 1
    assert reports.new(complaint(third.sender, kind="not-spam")) == 0
    again = {d["recipient_id"]: d["status"] for d in ended(send(to=list(people.values())))}
    assert [again[person] for person in people.values()] == ["suppressed", "suppressed", "sent"]


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
    # As it is, for mail programs decode nothing there (RFC 2369 §2).
    assert f"\r\nList-Unsubscribe: {headers['List-Unsubscribe']}\r\n".encode() in mailbox.mails[0].content
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
