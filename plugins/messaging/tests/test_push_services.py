"""Push by Firebase and by Apple, seen from their side: who pushes, what arrives, and what each answer does."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from riveredge_messaging.providers.apns import MAX_CONTENT, Apns, ApnsConfig, provider_token
from riveredge_messaging.providers.fcm import Fcm, FcmConfig
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.testing.http import HttpPeer, ReceivedCall, Reply
from riveredge_sdk.testing.http2 import Http2Peer
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.testing.tls import Authority

Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]

DEVICES, CONFIGS = "/api/v1/messaging/devices", "/api/v1/messaging/configs"
PUSH = ("messaging.push",)
TOKEN = "dTq3:APA91bF" + "x" * 140
DEVICE = "ab" * 32
DELIVERY = UUID("01990000-0000-7000-8000-000000000001")
GOOGLE = rsa.generate_private_key(65537, 2048)
APPLE = ec.generate_private_key(ec.SECP256R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """As the consoles of both give it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account(peer: HttpPeer | None = None, **values: Any) -> dict[str, Any]:
    """A service account's file."""
    return {
        "type": "service_account",
        "project_id": "acme-app",
        "private_key_id": "k1",
        "private_key": pem(GOOGLE),
        "client_email": f"push-{time.monotonic_ns()}@acme-app.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{peer.url}/token" if peer else "https://oauth2.example/token",
        **values,
    }


class Google:
    """Gives tokens to whoever signs, and takes messages of whoever has one."""

    def __init__(self, peer: HttpPeer) -> None:
        self.tokens: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Reply] = lambda _message: Reply(200, {"name": "projects/acme-app/7"})
        self.url = peer.url
        peer.reply = self

    def __call__(self, call: ReceivedCall) -> Reply:
        if call.path == "/token":
            assert call.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            given = call.form["assertion"]
            claims = jwt.decode(given, GOOGLE.public_key(), algorithms=["RS256"], audience=f"{self.url}/token")
            assert jwt.get_unverified_header(given)["kid"] == "k1"
            assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
            assert claims["iss"].endswith("@acme-app.iam.gserviceaccount.com")
            assert claims["exp"] - claims["iat"] == 3600
            self.tokens.append(f"ya29.{len(self.tokens)}")
            return Reply(200, {"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"})
        assert call.path == "/v1/projects/acme-app/messages:send"
        if call.headers["authorization"] != f"Bearer {self.tokens[-1]}":
            return Reply(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        message = call.json()["message"]
        self.sent.append(message)
        return self.answer(message)


def fcm(peer: HttpPeer, **values: Any) -> FcmConfig:
    """A project at the peer."""
    return FcmConfig.model_validate({"service_account": json.dumps(account(peer, **values)), "api_url": peer.url})


@pytest.fixture
def apple(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Http2Peer]:
    """Apple, with a certificate of an authority that the installation trusts."""
    authority = Authority(tmp_path)
    trusted = tmp_path / "authority.pem"
    trusted.write_text(authority.pem)
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__CA_FILE", str(trusted))
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.0/8"]')
    with Http2Peer(authority.server()) as peer:
        peer.reply = lambda call: Reply(200, None, {"apns-id": call.headers["apns-id"]})
        yield peer


def app(peer: Http2Peer | None = None, **values: Any) -> dict[str, Any]:
    """The settings of an app at the peer."""
    given = {"team_id": "TEAM000001", "key_id": "KEY0000001", "private_key": pem(APPLE), "topic": "com.acme.app"}
    return {**given, **({"api_url": peer.url} if peer else {}), **values}


def message(address: str, **values: Any) -> RenderedMessage:
    given = {"subject": "Due", "text": "Rechnung 河 fällig", "options": {"link": "/tasks/7"}, **values}
    return RenderedMessage(delivery_id=DELIVERY, recipient_id=UUID(int=7), address=address, **given)


def error(status: int, code: str, text: str = "", field: str | None = None) -> Reply:
    """An answer of Firebase's."""
    details: list[Any] = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
    if field is not None:
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field}]}]
    body = {"code": status, "message": text, "status": code, "details": details}
    return Reply(status, {"error": body}, {"Retry-After": "7"} if code == "QUOTA_EXCEEDED" else {})


async def test_firebase_gets_what_it_documents(peer: HttpPeer) -> None:
    google, config = Google(peer), fcm(peer)
    soon = datetime.now(UTC) + timedelta(minutes=10)
    result = await Fcm().send(config, message(TOKEN, expires_at=soon))
    assert (result.outcome, result.reference) == ("accepted", "projects/acme-app/7")
    (sent,) = google.sent
    assert sent["token"] == TOKEN
    assert sent["notification"] == {"title": "Due", "body": "Rechnung 河 fällig"}
    assert sent["data"] == {"delivery": str(DELIVERY), "link": "/tasks/7", "actions": "[]"}
    assert sent["android"]["notification"] == {"tag": str(DELIVERY)}
    assert 500 < int(sent["android"]["ttl"].removesuffix("s")) <= 600
    assert abs(int(sent["apns"]["headers"]["apns-expiration"]) - soon.timestamp()) < 5
    # A token serves until it ends, or is called back.
    await Fcm().send(config, message(TOKEN, text="x" * 9000))
    assert len(google.tokens) == 1
    assert len(json.dumps(google.sent[1], ensure_ascii=False).encode()) < 4600
    google.tokens.append("called back")
    await Fcm().send(config, message(TOKEN))
    assert google.sent[2]["android"]["ttl"] == "259200s"
    assert len(google.tokens) == 3
    table: list[tuple[Reply, type[Exception], dict[str, Any]]] = [
        (error(404, "UNREGISTERED"), PermanentFailure, {"bad_address": True}),
        (error(400, "INVALID_ARGUMENT", "x", "message.token"), PermanentFailure, {"bad_address": True}),
        (
            error(400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"),
            PermanentFailure,
            {"bad_address": True},
        ),
        (error(400, "INVALID_ARGUMENT", "x", "message.data"), PermanentFailure, {"bad_address": False}),
        (error(403, "SENDER_ID_MISMATCH"), PermanentFailure, {"bad_address": False}),
        (error(429, "QUOTA_EXCEEDED"), TemporaryFailure, {"retry_after": 7.0}),
        (error(503, "UNAVAILABLE"), TemporaryFailure, {"retry_after": None}),
        (error(500, "INTERNAL"), TemporaryFailure, {"retry_after": None}),
        (error(401, "THIRD_PARTY_AUTH_ERROR"), ConfigurationFailure, {}),
        (Reply(403, {"error": {"status": "PERMISSION_DENIED"}}), ConfigurationFailure, {}),
        (Reply(404, "no such project"), ConfigurationFailure, {}),
        (Reply(302, None, {"Location": "http://169.254.169.254/"}), ConfigurationFailure, {}),
        (Reply(200, {}), ConfigurationFailure, {}),
    ]
    for reply, failure, told in table:
        google.answer = lambda _message, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(failure) as raised:
            await Fcm().send(config, message(TOKEN))
        assert {name: getattr(raised.value, name) for name in told} == told, reply
        assert "PRIVATE KEY" not in str(raised.value)


async def test_a_service_account_that_is_not_let_in(peer: HttpPeer) -> None:
    table: list[tuple[Reply | None, type[Exception]]] = [
        (Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}), ConfigurationFailure),
        (Reply(401, {"error": "invalid_client"}), ConfigurationFailure),
        (Reply(200, {"access_token": "two\r\nlines"}), ConfigurationFailure),
        (Reply(200, [1]), ConfigurationFailure),
        (Reply(503), TemporaryFailure),
        # Nobody was told anything yet.
        (None, TemporaryFailure),
    ]
    for reply, failure in table:
        peer.calls.clear()
        peer.reply = lambda _call, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(failure):
            await Fcm().send(fcm(peer), message(TOKEN))
        assert [call.path for call in peer.calls] == ["/token"]
    # Its file is whatever an organisation gives: its address is looked at like any other.
    for place in ("http://169.254.169.254/computeMetadata/v1/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/"):
        with pytest.raises((ConfigurationFailure, TemporaryFailure)) as raised:
            await Fcm().send(fcm(peer, token_uri=place), message(TOKEN))
        assert isinstance(raised.value, ConfigurationFailure) or "no public address" in str(raised.value)
    wrong: list[Any] = [
        "no JSON",
        "[]",
        json.dumps({**account(), "type": "authorized_user"}),
        json.dumps({**account(), "private_key": "x"}),
        json.dumps({**account(), "private_key": pem(APPLE)}),
        json.dumps({**account(), "token_uri": "file:///etc/passwd"}),
        json.dumps({**account(), "token_uri": "https://user@oauth2.example/"}),
        json.dumps({**account(), "project_id": "../../v1/projects/other"}),
    ]
    for given in wrong:
        with pytest.raises(ValidationError):
            FcmConfig.model_validate({"service_account": given})


def apple_says(status: int, reason: str, **more: Any) -> Reply:
    return Reply(status, {"reason": reason, **more})


async def test_apple_gets_what_it_documents(apple: Http2Peer) -> None:
    provider, config = Apns(), ApnsConfig.model_validate(app(apple))
    try:
        result = await provider.send(config, message(DEVICE))
        (call,) = apple.calls
        assert (call.method, call.path) == ("POST", f"/3/device/{DEVICE}")
        given = call.headers["authorization"].removeprefix("bearer ")
        claims = jwt.decode(given, APPLE.public_key(), algorithms=["ES256"])
        assert (claims["iss"], jwt.get_unverified_header(given)["kid"]) == ("TEAM000001", "KEY0000001")
        # No older than an hour, and the same for at least 20 minutes.
        assert 0 <= time.time() - claims["iat"] <= 1800
        assert {name: call.headers[f"apns-{name}"] for name in ("topic", "push-type", "priority", "collapse-id")} == {
            "topic": "com.acme.app",
            "push-type": "alert",
            "priority": "10",
            "collapse-id": str(DELIVERY),
        }
        assert result.reference == call.headers["apns-id"] == str(UUID(call.headers["apns-id"]))
        assert 0 <= time.time() + 259200 - int(call.headers["apns-expiration"]) < 60
        told = call.json()
        assert told["aps"]["alert"] == {"title": "Due", "body": "Rechnung 河 fällig"}
        assert (told["delivery"], told["link"]) == (str(DELIVERY), "/tasks/7")
        await provider.send(config, message(DEVICE, text="河" * 5000))
        assert MAX_CONTENT - 200 < len(apple.calls[1].body) <= MAX_CONTENT
        table: list[tuple[Reply, type[Exception], dict[str, Any]]] = [
            (
                apple_says(410, "Unregistered", timestamp=1_600_000_000_000),
                PermanentFailure,
                {"bad_address": True, "gone_at": datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)},
            ),
            (apple_says(410, "ExpiredToken", timestamp="x"), PermanentFailure, {"bad_address": True, "gone_at": None}),
            (apple_says(400, "BadDeviceToken"), PermanentFailure, {"bad_address": True}),
            (apple_says(400, "DeviceTokenNotForTopic"), PermanentFailure, {"bad_address": False}),
            (apple_says(413, "PayloadTooLarge"), PermanentFailure, {"bad_address": False}),
            (apple_says(403, "InvalidProviderToken"), ConfigurationFailure, {}),
            (apple_says(400, "TopicDisallowed"), ConfigurationFailure, {}),
            (apple_says(429, "TooManyProviderTokenUpdates"), TemporaryFailure, {"retry_after": 1200.0}),
            (apple_says(429, "TooManyRequests"), TemporaryFailure, {"of_recipient": True}),
            (apple_says(503, "Shutdown"), TemporaryFailure, {"retry_after": None}),
            (apple_says(500, "InternalServerError"), TemporaryFailure, {"retry_after": None}),
            (Reply(418, "x"), PermanentFailure, {"bad_address": False}),
        ]
        for reply, failure, shown in table:
            apple.reply = lambda _call, reply=reply: reply  # type: ignore[misc]
            with pytest.raises(failure) as raised:
                await provider.send(config, message(DEVICE))
            assert {name: getattr(raised.value, name) for name in shown} == shown, reply
        # All of it over one connection; one that was closed is opened anew.
        assert apple.connections == 1
        apple.reply = lambda _call: None
        with pytest.raises(UnknownOutcome):
            await provider.send(config, message(DEVICE))
        apple.reply = lambda _call: Reply()
        await provider.send(config, message(DEVICE))
        assert apple.connections == 2
        slot = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        tokens = [provider_token(config, slot + timedelta(minutes=minutes)) for minutes in (0, 29, 30)]
        assert tokens[0] == tokens[1] != tokens[2]
    finally:
        await provider.aclose()


async def test_apple_is_nobody_else(apple: Http2Peer, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Apns()
    # Something that speaks HTTP/1.1 only.
    with pytest.raises((UnknownOutcome, TemporaryFailure)):
        await provider.send(ApnsConfig.model_validate(app(api_url=peer.url)), message(DEVICE))
    await provider.aclose()
    monkeypatch.delenv("RIVEREDGE_OUTBOUND__ALLOW")
    with pytest.raises(ConfigurationFailure, match="private"):
        await provider.send(ApnsConfig.model_validate(app(apple)), message(DEVICE))
    await provider.aclose()
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.0/8"]')
    monkeypatch.delenv("RIVEREDGE_OUTBOUND__CA_FILE")
    with pytest.raises(TemporaryFailure):
        await provider.send(ApnsConfig.model_validate(app(apple)), message(DEVICE))
    await provider.aclose()
    assert apple.calls == []
    table: list[dict[str, Any]] = [
        {"private_key": pem(GOOGLE)},
        {"private_key": "x"},
        {"team_id": "x\r\ny"},
        {"topic": "a b"},
    ]
    for wrong in table:
        with pytest.raises(ValidationError):
            ApnsConfig.model_validate(app(**wrong))


@pytest.mark.database
def test_a_message_reaches_every_app_of_a_person(  # noqa: PLR0917
    client: ApiClient,
    as_user: AsUser,
    other_tenant: TestTenant,
    peer: HttpPeer,
    apple: Http2Peer,
    send: Send,
    ended: Ended,
) -> None:
    google = Google(peer)
    android = {"provider": "messaging.fcm", "token": TOKEN, "app": "acme-app", "title": "Pixel"}
    iphone = {"provider": "messaging.apns", "token": DEVICE.upper(), "app": "com.acme.app", "title": "iPhone"}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"provider": "messaging.twilio", "token": "x"}, "provider"),
        ({"provider": "messaging.fcm"}, "token"),
        ({"provider": "messaging.fcm", "token": "a b" * 20}, "token"),
        ({"provider": "messaging.apns", "token": "ab" * 31}, "token"),
        ({"provider": "messaging.apns", "token": "zz" * 32}, "token"),
        ({"provider": "messaging.apns", "token": DEVICE, "environment": "test"}, "environment"),
        ({**android, "app": "a/b"}, "app"),
        ({**android, "subscription": {"endpoint": "https://push.example/x"}}, "subscription.keys"),
        ({"token": TOKEN}, "token"),
        ({}, "subscription"),
    ]
    for body, field in refused:
        answer = client.post(DEVICES, json=body)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, [field]), body
    for body in (android, iphone, iphone):
        made = client.post(DEVICES, json=body)
        assert made.status_code == 201, made.text
        assert not {"token", "subscription"} & made.json().keys()
    assert len(client.get(DEVICES).json()["items"]) == 2
    # Nothing is configured yet.
    (delivery,) = ended(send(channels=PUSH))
    assert (delivery["status"], "Nothing is configured" in delivery["error"]) == ("failed", True)
    firebase = {"provider": "messaging.fcm", "title": "Firebase"}
    firebase["settings"] = {"service_account": json.dumps(account(peer)), "api_url": peer.url}  # type: ignore[assignment]
    assert client.post(CONFIGS, json={**firebase, "per_minute": 60}).json()["errors"][0]["field"] == "per_minute"
    wrong = {**firebase, "settings": {"service_account": json.dumps({**account(), "private_key": "x"})}}
    refusal = client.post(CONFIGS, json=wrong).json()["errors"][0]
    assert (refusal["field"], "private_key" in refusal["message"]) == ("settings.service_account", True)
    first = client.post(CONFIGS, json=firebase)
    apns = {"provider": "messaging.apns", "title": "Apple", "settings": app(apple)}
    second = client.post(CONFIGS, json=apns)
    for answer in (first, second):
        assert answer.status_code == 201, answer.text
        assert "PRIVATE KEY" not in answer.text
    assert first.json()["secrets_set"] == ["service_account"]
    # Where the secret's token goes cannot be changed without giving the secret anew.
    place = f"{CONFIGS}/{first.json()['id']}"
    moved = client.patch(place, json={"settings": {"api_url": "https://evil.example"}}, headers={"If-Match": '"1"'})
    assert moved.json()["errors"][0]["code"] == "secret_redirected"
    (delivery,) = ended(send(channels=PUSH, product="河流"))
    assert (delivery["status"], delivery["attempts"]) == ("sent", 1), delivery
    assert google.sent[-1]["notification"]["title"] == "Welcome to 河流"
    assert apple.calls[-1].json()["aps"]["alert"]["title"] == "Welcome to 河流"
    # A test goes through the one configuration alone.
    before = len(google.sent)
    tested = client.post(f"{CONFIGS}/{second.json()['id']}/test")
    assert tested.status_code == 202, tested.text
    assert ended({"id": tested.json()["message_id"]})[0]["status"] == "sent"
    assert (len(apple.calls), len(google.sent)) == (2, before)
    # What has registered since it was gone is there again; what is gone now is forgotten.
    apple.reply = lambda _call: apple_says(410, "Unregistered", timestamp=1_600_000_000_000)
    assert ended(send(channels=PUSH))[0]["status"] == "sent"
    assert len(client.get(DEVICES).json()["items"]) == 2
    now = int(time.time() * 1000) + 60_000
    apple.reply = lambda _call: apple_says(410, "Unregistered", timestamp=now)
    google.answer = lambda _message: error(404, "UNREGISTERED")
    (delivery,) = ended(send(channels=PUSH))
    assert (delivery["status"], client.get(DEVICES).json()["items"]) == ("failed", [])
    # A key that Apple does not take puts the configuration out of use; another one for the same app takes over.
    assert client.post(CONFIGS, json={**apns, "title": "Apple, new key", "priority": 200}).status_code == 201
    client.post(DEVICES, json=iphone)
    apple.reply = lambda call: apple_says(403, "InvalidProviderToken") if len(apple.calls) == refusals else Reply()
    refusals = len(apple.calls) + 1
    assert ended(send(channels=PUSH))[0]["status"] == "sent"
    health = client.get(f"{CONFIGS}/{second.json()['id']}").json()["health"]
    assert (health["usable"], "InvalidProviderToken" in health["fault"]) == (False, True)
    # What Firebase asks for is kept: nothing is tried before.
    client.delete(f"{DEVICES}/{client.get(DEVICES).json()['items'][0]['id']}")
    client.post(DEVICES, json=android)
    google.answer = lambda _message: error(429, "QUOTA_EXCEEDED")
    place = f"/api/v1/messaging/messages/{send(channels=PUSH)['id']}"
    deadline = time.monotonic() + 30
    while (waiting := client.get(place).json()["deliveries"][0])["next_at"] is None:
        assert time.monotonic() < deadline, waiting
    assert (waiting["status"], "asks to wait" in waiting["error"]) == ("queued", True)
    rested = first.json()["id"]
    assert client.get(f"{CONFIGS}/{rested}").json()["health"]["reason"] == "resting"
    # Another organisation has neither the device nor the configuration, and the same device may be somebody's there.
    eve = as_user({"messaging.inbox.use", "messaging.config.read"}, tenant=other_tenant)
    assert eve.get(f"{CONFIGS}/{rested}").status_code == 404
    assert eve.post(DEVICES, json=android).status_code == 201
    assert len(client.get(DEVICES).json()["items"]) == 1
