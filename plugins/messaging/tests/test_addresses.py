"""Phone numbers are proved by a code before anything else is sent there, and each is its owner's."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from riveredge_messaging.reach.phones import phone_number
from riveredge_sdk.testing.http import HttpPeer, Reply
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .test_providers import WHSEC, is_signed

Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]

MINE = "/api/v1/messaging/addresses/messaging.sms"
CONFIGS = "/api/v1/messaging/configs"
USE = {"messaging.inbox.use"}
NUMBER = "+8613800138000"


def configure(client: ApiClient, provider: str, settings: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A configuration of the organisation."""
    body = {"title": f"My {provider}", "provider": provider, "settings": settings, **values}
    answer = client.post(CONFIGS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def twilio(client: ApiClient, peer: HttpPeer, **values: Any) -> dict[str, Any]:
    """Twilio, as far as the peer is."""
    peer.reply = lambda _call: Reply(201, {"sid": f"SM{len(peer.calls)}"})
    settings = {"account_sid": "AC1", "auth_token": "t", "sender": "+15005550006", "api_url": peer.url}
    return configure(client, "messaging.twilio", settings, **values)


def code_of(peer: HttpPeer) -> str:
    """The code in the last message."""
    found = re.search(r"\b[0-9]{6}\b", peer.calls[-1].form["Body"])
    assert found is not None
    return found[0]


@pytest.mark.database
def test_a_number_is_used_once_it_is_proved(  # noqa: PLR0917
    client: ApiClient,
    as_user: AsUser,
    other_tenant: TestTenant,
    peer: HttpPeer,
    platform: PlatformUnderTest,
    send: Send,
    ended: Ended,
    engine: EngineControl,
) -> None:
    twilio(client, peer)
    ada, bob, eve = as_user(USE), as_user(USE), as_user(USE, tenant=other_tenant)
    assert ada.user is not None
    to = {"to": [str(ada.user.id)], "channels": ("messaging.sms",)}
    claimed = ada.put(MINE, json={"address": "0086 138-0013-8000"})
    assert (claimed.status_code, claimed.json()["pending"], claimed.json()["address"]) == (202, NUMBER, None)
    platform.settle()
    assert peer.calls[-1].form["To"] == NUMBER
    code = code_of(peer)
    assert code not in ada.get("/api/v1/messaging/addresses").text
    (skipped,) = ended(send(**to))
    assert skipped["status"] == "skipped"
    for stranger in (bob, eve):
        assert stranger.post(f"{MINE}/verify", json={"code": code}).status_code == 404
        assert stranger.delete(MINE).status_code == 404
        assert stranger.get("/api/v1/messaging/addresses").json()["items"] == []
    wrong = ada.post(f"{MINE}/verify", json={"code": f"{(int(code) + 1) % 1_000_000:06d}"})
    assert [error["field"] for error in wrong.json()["errors"]] == ["code"]
    proved = ada.post(f"{MINE}/verify", json={"code": code}).json()
    assert (proved["address"], proved["pending"], proved["verified_at"] is not None) == (NUMBER, None, True)
    assert ada.post(f"{MINE}/verify", json={"code": code}).status_code == 404
    (sent,) = ended(send(**to))
    assert (sent["status"], sent["address"]) == ("sent", NUMBER)
    # Until a new number is proved, the old one stays in use.
    ada.put(MINE, json={"address": "+1 (500) 555-0001"})
    platform.settle()
    assert peer.calls[-1].form["To"] == "+15005550001"
    late = code_of(peer)
    (sent,) = ended(send(**to))
    assert sent["address"] == NUMBER
    engine.advance(minutes=11)
    assert ada.post(f"{MINE}/verify", json={"code": late}).status_code == 422
    assert ada.delete(MINE).status_code == 204
    (skipped,) = ended(send(**to))
    assert skipped["status"] == "skipped"


def test_codes_cannot_be_guessed_or_asked_for_without_end(
    client: ApiClient, as_user: AsUser, peer: HttpPeer, platform: PlatformUnderTest
) -> None:
    ada = as_user(USE)
    ada.put(MINE, json={"address": NUMBER})
    platform.settle()
    assert "no provider" in ada.get("/api/v1/messaging/addresses").json()["items"][0]["error"]
    assert peer.calls == []
    twilio(client, peer)
    statuses = [ada.put(MINE, json={"address": f"+1500555000{number}"}).status_code for number in range(5)]
    assert statuses == [202] * 4 + [429]
    platform.settle()
    right = code_of(peer)
    tries = [ada.post(f"{MINE}/verify", json={"code": f"{number:06d}"}).status_code for number in range(6)]
    assert tries[-1] == 429
    assert ada.post(f"{MINE}/verify", json={"code": right}).status_code == 429
    # One number gets only so many codes, whoever asks.
    others = [as_user(USE).put(MINE, json={"address": "+15005559999"}).status_code for _ in range(6)]
    assert others == [202] * 5 + [429]
    for bad in ("12", "13800138000", "+86abc", "", "+0123456789", "+1234567890123456"):
        assert as_user(USE).put(MINE, json={"address": bad}).status_code == 422
    assert ada.put("/api/v1/messaging/addresses/messaging.email", json={"address": "x@y.example"}).status_code == 404


@pytest.mark.database
def test_a_report_of_the_provider_is_believed_if_it_is_one(  # noqa: PLR0917
    client: ApiClient, as_user: AsUser, peer: HttpPeer, platform: PlatformUnderTest, send: Send, ended: Ended
) -> None:
    peer.reply = lambda _call: Reply(200, {"Code": "OK", "BizId": "B1"})
    settings = {
        "access_key_id": "LTAI",
        "access_key_secret": "secret",
        "sign_name": "河缘",
        "code_template": "SMS_1",
        "report_token": "0123456789abcdef",
        "api_url": peer.url,
    }
    made = configure(client, "messaging.aliyun_sms", settings)
    assert "secret" not in json.dumps(made["settings"])
    ada = as_user(USE)
    assert ada.user is not None
    ada.put(MINE, json={"address": NUMBER})
    platform.settle()
    assert is_signed(peer.calls[-1], "secret")
    code = json.loads(peer.calls[-1].query["TemplateParam"])["code"]
    assert ada.post(f"{MINE}/verify", json={"code": code}).status_code == 200
    template = {
        "key": "custom.sms",
        "title": "SMS",
        "variants": {
            "messaging.sms": {
                "en": {"text": "Hi {{ name }}", "provider_template_code": "SMS_2", "parameters": {"n": "{{ name }}"}}
            }
        },
        "variables": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    }
    assert client.post("/api/v1/messaging/templates", json=template).status_code == 201
    body = {
        "template": "custom.sms",
        "to": [str(ada.user.id)],
        "data": {"name": "Ada"},
        "channels": ["messaging.sms"],
    }
    message = client.post("/api/v1/messaging/messages", json=body).json()
    (delivery,) = ended(message)
    assert delivery["status"] == "sent", delivery
    query = peer.calls[-1].query
    assert (query["TemplateCode"], json.loads(query["TemplateParam"])) == ("SMS_2", {"n": "Ada"})
    report = [
        {
            "phone_number": "13800138000",
            "report_time": "2026-11-25 10:00:00",
            "success": True,
            "err_code": "DELIVERED",
            "biz_id": "B1",
            "out_id": delivery["id"],
        }
    ]
    place = made["callback_url"][made["callback_url"].index("/api/") :]
    for forged in (place, f"{place}?token=wrong-wrong-wrong"):
        assert client.post(forged, json=report).status_code == 403
    answer = client.post(f"{place}?token=0123456789abcdef", json=report)
    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    platform.settle()
    assert client.get(f"/api/v1/messaging/deliveries/{delivery['id']}").json()["status"] == "delivered"


@pytest.mark.database
def test_a_webhook_gets_what_is_sent_to_it_by_name(
    client: ApiClient, as_user: AsUser, peer: HttpPeer, send: Send, ended: Ended
) -> None:
    ada = as_user(USE)
    assert ada.user is not None
    to = [str(ada.user.id)]
    (skipped,) = ended(send(to=to, channels=("messaging.webhook",)))
    assert skipped["status"] == "skipped"
    configure(client, "messaging.webhook", {"url": f"{peer.url}/in", "secret": WHSEC[0]})
    (delivery,) = ended(send(to=to, channels=("messaging.webhook",), product="河"))
    assert delivery["status"] == "delivered", delivery
    (call,) = peer.calls
    assert (call.json()["data"]["recipient"], call.headers["webhook-id"]) == (to[0], delivery["id"])
    channels = {each["channel"] for each in ended(send(to=to, channels=()))}
    assert not {"messaging.webhook", "messaging.sms", "messaging.chat"} & channels


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+86 138 0013 8000", NUMBER),
        ("0086-138-0013-8000", NUMBER),
        ("+1 (500) 555.0001", "+15005550001"),
        ("+44/20\u00a07946\u20110000", "+442079460000"),
        ("１３８", None),
        ("+８６１３８００１３８０００", None),
        ("+12", None),
        ("tel:+8613800138000", None),
        ("+8613800138000;ext=1", None),
        ("+8613800138000\n", NUMBER),
    ],
)
def test_numbers_have_one_form(written: str, number: str | None) -> None:
    if number is None:
        with pytest.raises(ValueError, match="country code"):
            phone_number(written)
    else:
        assert phone_number(written) == number
