"""Providers speak as their services document it; the peers here check signatures with code of their own."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from pydantic import ValidationError

from riveredge_messaging.providers.aliyun_sms import AliyunSms, AliyunSmsConfig, signed
from riveredge_messaging.providers.apprise import Apprise, AppriseConfig
from riveredge_messaging.providers.twilio import Twilio, TwilioConfig, signature
from riveredge_messaging.providers.webhook import Webhook, WebhookConfig
from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    ConfigurationFailure,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.testing.http import HttpPeer, ReceivedCall, Reply

DELIVERY = UUID("01990000-0000-7000-8000-000000000001")
CALLBACK = "https://edge.example/api/v1/messaging/callbacks/a/b"


def message(**values: Any) -> RenderedMessage:
    """A message to a phone."""
    given = {"address": "+8613800138000", "subject": "Due", "text": "Rechnung 河 fällig", **values}
    return RenderedMessage(delivery_id=DELIVERY, recipient_id=UUID(int=7), **given)


def callback(url: str, body: bytes, query: Mapping[str, str] | None = None, **headers: str) -> CallbackRequest:
    """A call of the provider's."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return CallbackRequest(method="POST", url=url, headers=names, query=query or {}, body=body)


def twilio(peer: HttpPeer | None = None, **values: Any) -> TwilioConfig:
    """An account."""
    given = {"account_sid": "AC1", "auth_token": "12345", "sender": "+15005550006", **values}
    return TwilioConfig.model_validate({**given, **({"api_url": peer.url} if peer else {})})


async def test_twilio_gets_what_it_documents(peer: HttpPeer) -> None:
    peer.reply = lambda _call: Reply(201, {"sid": "SM1", "status": "queued"})
    result = await Twilio().send(twilio(peer), message(callback_url=CALLBACK))
    assert (result.outcome, result.reference) == ("accepted", "SM1")
    (call,) = peer.calls
    assert call.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert base64.b64decode(call.headers["authorization"].removeprefix("Basic ")) == b"AC1:12345"
    assert call.form == {
        "To": "+8613800138000",
        "From": "+15005550006",
        "Body": "Rechnung 河 fällig",
        "StatusCallback": CALLBACK,
    }
    await Twilio().send(twilio(peer, sender=None, messaging_service_sid="MG1"), message())
    assert peer.calls[1].form == {
        "To": "+8613800138000",
        "MessagingServiceSid": "MG1",
        "Body": "Rechnung 河 fällig",
    }
    with pytest.raises(PermanentFailure, match="11 messages"):
        await Twilio().send(twilio(peer), message(text="河" * (67 * 10 + 1)))
    with pytest.raises(ValidationError):
        twilio(sender=None)


@pytest.mark.parametrize(
    ("reply", "failure", "detail"),
    [
        (Reply(400, {"code": 21211, "message": "Invalid 'To'"}), PermanentFailure, {"bad_address": True}),
        (Reply(400, {"code": 21610, "message": "Unsubscribed"}), PermanentFailure, {"bad_address": True}),
        (Reply(400, {"code": 21617, "message": "Too long"}), PermanentFailure, {"bad_address": False}),
        (Reply(400, {"code": 21606, "message": "From cannot send"}), ConfigurationFailure, {}),
        (Reply(401, {"code": 20003, "message": "Authenticate"}), ConfigurationFailure, {}),
        (Reply(429, {"code": 20429}, {"Retry-After": "7"}), TemporaryFailure, {"retry_after": 7.0}),
        (Reply(503, None), TemporaryFailure, {"retry_after": None}),
        (Reply(200, ["not", "an", "object"]), TemporaryFailure, {}),
        (None, UnknownOutcome, {}),
    ],
)
async def test_failures_of_twilio_are_told_apart(
    peer: HttpPeer, reply: Reply | None, failure: type[Exception], detail: dict[str, Any]
) -> None:
    peer.reply = lambda _call: reply
    with pytest.raises(failure) as raised:
        await Twilio().send(twilio(peer), message())
    for name, value in detail.items():
        assert getattr(raised.value, name) == value


async def test_twilio_s_reports_are_believed_if_signed() -> None:
    # The example of Twilio's documentation.
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    assert signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", list(form.items())) == (
        "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    )

    async def told(status: str, url: str = CALLBACK, signs: str = "12345", **further: str) -> list[tuple[str, str]]:
        given = {"MessageSid": "SM1", "MessageStatus": status, "ErrorMessage": "", **further}
        body = "&".join(f"{name}={quote(value)}" for name, value in given.items()).encode()
        text = CALLBACK + "".join(f"{name}{given[name]}" for name in sorted(given))
        made = base64.b64encode(hmac.new(signs.encode(), text.encode(), hashlib.sha1).digest()).decode()
        events = await Twilio().receive(twilio(), callback(url, body, x_twilio_signature=made))
        return [(event.kind, event.reference) for event in events]

    assert await told("delivered") == [("delivered", "SM1")]
    assert await told("read") == [("opened", "SM1")]
    assert await told("undelivered", ErrorCode="30003") == [("failed", "SM1")]
    assert await told("undelivered", ErrorCode="30006") == [("bounced", "SM1")]
    assert await told("sent") == []
    for forged in ({"signs": "54321"}, {"url": CALLBACK + "?x=1"}):
        with pytest.raises(CallbackRefusedError):
            await told("delivered", **forged)
    with pytest.raises(CallbackRefusedError):
        await Twilio().receive(twilio(), callback(CALLBACK, b"MessageSid=SM1&MessageStatus=delivered"))


def aliyun(peer: HttpPeer | None = None, **values: Any) -> AliyunSmsConfig:
    """An access key."""
    given = {"access_key_id": "LTAI", "access_key_secret": "secret", "sign_name": "河缘", **values}
    return AliyunSmsConfig.model_validate({**given, **({"api_url": peer.url} if peer else {})})


def is_signed(call: ReceivedCall, secret: str) -> bool:
    """Whether the call is signed by ACS3-HMAC-SHA256, worked out from what arrived."""
    scheme, _, rest = call.headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    names = parts["SignedHeaders"].split(";")
    must = {"host", *(name for name in call.headers if name.startswith("x-acs-"))}
    digest = hashlib.sha256(call.body).hexdigest()
    lines = [call.method, urlsplit(call.path).path, urlsplit(call.path).query]
    lines += [f"{name}:{call.headers[name].strip()}" for name in names]
    lines += ["", parts["SignedHeaders"], digest]
    text = f"{scheme}\n{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
    made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return (
        scheme == "ACS3-HMAC-SHA256"
        and must <= set(names)
        and call.headers["x-acs-content-sha256"] == digest
        and parts["Signature"] == made
    )


def test_aliyun_s_own_example_is_signed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riveredge_messaging.providers.aliyun_sms.VERSION", "2014-05-26")
    config = aliyun(
        access_key_id="YourAccessKeyId",
        access_key_secret="YourAccessKeySecret",
        api_url="https://ecs.cn-shanghai.aliyuncs.com",
    )
    parameters = {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    at = datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)
    _, headers = signed(config, "RunInstances", parameters, at=at, nonce="3156853299f313e23d1673dc12e1703d")
    assert headers["Authorization"].endswith(
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


async def test_aliyun_gets_a_template_and_its_parameters(peer: HttpPeer) -> None:
    peer.reply = lambda _call: Reply(200, {"Code": "OK", "BizId": "B1", "Message": "OK", "RequestId": "R"})
    options = {"provider_template_code": "SMS_1", "parameters": {"name": "王 ~*'()", "sum": "3"}}
    result = await AliyunSms().send(aliyun(peer), message(options=options))
    assert (result.outcome, result.reference) == ("accepted", "B1")
    (call,) = peer.calls
    assert is_signed(call, "secret")
    assert not is_signed(call, "another")
    query = call.query
    assert json.loads(query.pop("TemplateParam")) == options["parameters"]
    assert query == {
        "PhoneNumbers": "8613800138000",
        "SignName": "河缘",
        "TemplateCode": "SMS_1",
        "OutId": str(DELIVERY),
    }
    assert (call.headers["x-acs-action"], call.headers["x-acs-version"]) == ("SendSms", "2017-05-25")
    codes = aliyun(peer, code_template="SMS_2")
    await AliyunSms().send(codes, message(data={"code": "123456"}))
    assert json.loads(peer.calls[1].query["TemplateParam"]) == {"code": "123456"}
    for config, data in ((codes, {"code": "1", "more": "2"}), (aliyun(peer), {"code": "1"})):
        with pytest.raises(PermanentFailure, match="provider_template_code"):
            await AliyunSms().send(config, message(data=data))
    assert len(peer.calls) == 2


@pytest.mark.parametrize(
    ("status", "code", "failure", "detail"),
    [
        (200, "isv.MOBILE_NUMBER_ILLEGAL", PermanentFailure, {"bad_address": True}),
        (200, "isv.TEMPLATE_MISSING_PARAMETERS", PermanentFailure, {"bad_address": False}),
        (200, "isv.BUSINESS_LIMIT_CONTROL", TemporaryFailure, {"retry_after": None, "of_recipient": True}),
        (400, "Throttling.User", TemporaryFailure, {"retry_after": 1.0}),
        (200, "isp.SYSTEM_ERROR", TemporaryFailure, {}),
        (200, "isv.AMOUNT_NOT_ENOUGH", ConfigurationFailure, {}),
        (400, "SignatureDoesNotMatch", ConfigurationFailure, {}),
        (404, "InvalidAccessKeyId.NotFound", ConfigurationFailure, {}),
        (500, "InternalError", TemporaryFailure, {}),
    ],
)
async def test_failures_of_aliyun_are_told_apart(
    peer: HttpPeer, status: int, code: str, failure: type[Exception], detail: dict[str, Any]
) -> None:
    peer.reply = lambda _call: Reply(status, {"Code": code, "Message": "…"})
    with pytest.raises(failure) as raised:
        await AliyunSms().send(aliyun(peer), message(options={"provider_template_code": "SMS_1"}))
    for name, value in detail.items():
        assert getattr(raised.value, name) == value


async def test_aliyun_s_reports_need_the_token() -> None:
    config = aliyun(report_token="0123456789abcdef")
    report = {
        "phone_number": "13800138000",
        "send_time": "2026-11-25 09:59:58",
        "report_time": "2026-11-25 10:00:00",
        "success": True,
        "err_code": "DELIVERED",
        "err_msg": "用户接收成功",
        "sms_size": "1",
        "biz_id": "B1",
        "out_id": str(DELIVERY),
    }
    failed = {**report, "success": False, "err_code": "MOBILE_NOT_ON_SERVICE", "out_id": ""}
    body = json.dumps([report, failed]).encode()
    events = await AliyunSms().receive(config, callback(CALLBACK, body, {"token": "0123456789abcdef"}))
    assert [(event.kind, event.reference) for event in events] == [("delivered", str(DELIVERY)), ("failed", "B1")]
    assert events[0].at == datetime(2026, 11, 25, 2, tzinfo=UTC)
    assert len({event.id for event in events}) == 2
    for query in ({}, {"token": "wrong"}, {"token": ""}):
        with pytest.raises(CallbackRefusedError):
            await AliyunSms().receive(config, callback(CALLBACK, body, query))
    with pytest.raises(CallbackRefusedError):
        await AliyunSms().receive(aliyun(), callback(CALLBACK, body, {"token": ""}))
    for bad in (b"{", b"{}", b'[{"biz_id": "1"}]'):
        with pytest.raises((ValueError, KeyError)):
            await AliyunSms().receive(config, callback(CALLBACK, bad, {"token": "0123456789abcdef"}))


KEYS = [bytes(range(32)), bytes(range(24))]
WHSEC = ["whsec_" + base64.b64encode(key).decode() for key in KEYS]


async def test_webhooks_are_signed(peer: HttpPeer) -> None:
    config = WebhookConfig.model_validate({"url": f"{peer.url}/in", "secret": WHSEC[0], "former_secret": WHSEC[1]})
    result = await Webhook().send(config, message(html="<p>河</p>", category="billing"))
    assert result.outcome == "delivered"
    (call,) = peer.calls
    assert call.headers["webhook-id"] == str(DELIVERY)
    assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 3600
    signed_bytes = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    made = [base64.b64encode(hmac.new(key, signed_bytes, hashlib.sha256).digest()).decode() for key in KEYS]
    assert call.headers["webhook-signature"].split(" ") == [f"v1,{each}" for each in made]
    told = call.json()["data"]
    assert (told["recipient"], told["html"], told["category"]) == (str(UUID(int=7)), "<p>河</p>", "billing")
    for bad in ("whsec_", "whsec_AAAA", WHSEC[0][6:], "whsec_!!!!", "whsec_" + base64.b64encode(bytes(65)).decode()):
        with pytest.raises(ValidationError):
            WebhookConfig.model_validate({"url": peer.url, "secret": bad})
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate({"url": "file:///etc/passwd", "secret": WHSEC[0]})


@pytest.mark.parametrize(
    ("reply", "failure", "retry_after"),
    [
        (Reply(429, None, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), TemporaryFailure, 0.0),
        (Reply(503, None, {"Retry-After": "99999999"}), TemporaryFailure, 86400.0),
        (Reply(503, None, {"Retry-After": "soon"}), TemporaryFailure, 30.0),
        (Reply(500), TemporaryFailure, None),
        (Reply(409), TemporaryFailure, None),
        (Reply(302, None, {"Location": "http://169.254.169.254/"}), ConfigurationFailure, None),
        (Reply(404), ConfigurationFailure, None),
        (Reply(410), ConfigurationFailure, None),
        (Reply(422, {"error": "no"}), PermanentFailure, None),
        (Reply(200, "x" * 200_000), ConfigurationFailure, None),
        (None, UnknownOutcome, None),
    ],
)
async def test_a_receiver_of_webhooks_says_what_to_do(
    peer: HttpPeer, reply: Reply | None, failure: type[Exception], retry_after: float | None
) -> None:
    peer.reply = lambda _call: reply
    config = WebhookConfig.model_validate({"url": peer.url, "secret": WHSEC[0]})
    with pytest.raises(failure) as raised:
        await Webhook().send(config, message())
    assert getattr(raised.value, "retry_after", None) == retry_after
    assert len(peer.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "https://localhost/",
        "https://[::1]/",
        "http://example.com/",
        "https://user:pw@example.com/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://0x7f000001/",
        "https://\x00/",
    ],
)
async def test_no_provider_reaches_the_operator_s_network(url: str) -> None:
    webhook = WebhookConfig.model_validate({"url": url, "secret": WHSEC[0]})
    sends: list[Callable[[], Any]] = [
        lambda: Webhook().send(webhook, message()),
        lambda: Twilio().send(twilio(api_url=url), message()),
        lambda: AliyunSms().send(
            aliyun(api_url=url), message(options={"provider_template_code": "SMS_1", "parameters": {}})
        ),
    ]
    for send in sends:
        with pytest.raises((ConfigurationFailure, TemporaryFailure)) as raised:
            await send()
        assert isinstance(raised.value, ConfigurationFailure) or "no public address" in str(raised.value)


# On Python 3.11 and 3.12 Apprise imports a module that is to be removed.
tolerant = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@tolerant
async def test_apprise_delivers_to_a_room(peer: HttpPeer) -> None:
    place = peer.url.replace("http://", "json://me:pass%40word@") + "/room?redirect=yes&rto=600&retry=5"
    config = AppriseConfig.model_validate({"url": place})
    result = await Apprise().send(config, message())
    assert (result.outcome, result.reference) == ("accepted", "")
    (call,) = peer.calls
    assert (call.path, call.json()["title"], call.json()["message"]) == ("/room", "Due", "Rechnung 河 fällig")
    replies = [
        (Reply(404), ConfigurationFailure),
        (Reply(302, None, {"Location": f"{peer.url}/elsewhere"}), ConfigurationFailure),
        (Reply(500), TemporaryFailure),
        (Reply(429), TemporaryFailure),
    ]
    for reply, failure in replies:
        peer.reply = lambda _call, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(failure) as raised:
            await Apprise().send(config, message())
        assert "pass" not in str(raised.value)
    assert len(peer.calls) == 1 + len(replies)
    assert all(call.path == "/room" for call in peer.calls)


@tolerant
async def test_apprise_reaches_services_only(peer: HttpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    schemas = (
        "file",
        "syslog",
        "dbus",
        "gnome",
        "windows",
        "macosx",
        "mailto",
        "http",
        "https",
        "apprise",
        "mqtt",
        "x",
    )
    for schema in schemas:
        with pytest.raises(ValidationError):
            AppriseConfig.model_validate({"url": f"{schema}://localhost/x"})
    monkeypatch.delenv("RIVEREDGE_OUTBOUND__ALLOW")
    here = peer.url.removeprefix("http://")
    for url in (f"json://{here}/", f"jsons://{here}/", f"mmosts://{here}/{'a' * 24}", "json://example.com/"):
        with pytest.raises(TemporaryFailure):
            await Apprise().send(AppriseConfig.model_validate({"url": url}), message())
    assert peer.calls == []
    with pytest.raises(ConfigurationFailure, match="cannot read"):
        await Apprise().send(AppriseConfig.model_validate({"url": "slack://x"}), message())
