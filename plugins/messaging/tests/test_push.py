"""Web Push, seen from the push service and the browser: who pushes, what only the browser reads, who is forgotten."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from riveredge_messaging.channels.web_push.encryption import CURVE, MAX_CONTENT, decode, encode, encrypt, public_bytes
from riveredge_messaging.channels.web_push.sending import content_of
from riveredge_messaging.inbox.options import InboxOptions
from riveredge_sdk.features.messaging import PermanentFailure, RenderedMessage
from riveredge_sdk.testing.http import HttpPeer, ReceivedCall, Reply
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]

DEVICES = "/api/v1/messaging/devices"
USE = {"messaging.inbox.use"}
PUSH = ("messaging.push",)


class Browser:
    """Has a subscription, and reads what is pushed."""

    def __init__(self, peer: HttpPeer, name: str) -> None:
        self.key = ec.generate_private_key(CURVE)
        self.auth = bytes(range(16))
        self.endpoint = f"{peer.url}/push/{name}"

    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON()` gives it."""
        keys = {"p256dh": encode(public_bytes(self.key)), "auth": encode(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> Any:
        """Decrypt by RFC 8188 and RFC 8291, from the receiver's side."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(body) <= size == 4096
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))

        def derive(secret: bytes, salted: bytes, info: bytes, count: int) -> bytes:
            return HKDF(algorithm=hashes.SHA256(), length=count, salt=salted, info=info).derive(secret)

        secret = derive(shared, self.auth, b"WebPush: info\0" + public_bytes(self.key) + sender, 32)
        key = derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        opened = AESGCM(key).decrypt(nonce, sealed, None)
        assert opened[-1:] == b"\2"
        return json.loads(opened[:-1])


def claims_of(call: ReceivedCall, public_key: str, origin: str) -> dict[str, Any]:
    """Who pushes, once the signature was checked (RFC 8292)."""
    scheme, _, rest = call.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert (scheme, parts["k"]) == ("vapid", public_key)
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(parts["k"]))
    found: dict[str, Any] = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=origin)
    return found


@pytest.mark.database
def test_a_message_reaches_every_browser_of_a_person(
    client: ApiClient, as_user: AsUser, peer: HttpPeer, send: Send, ended: Ended
) -> None:
    ada = as_user(USE)
    assert ada.user is not None
    to = [str(ada.user.id)]
    (skipped,) = ended(send(to=to, channels=PUSH))
    assert skipped["status"] == "skipped"
    public_key = ada.get(f"{DEVICES}/push-key").json()["public_key"]
    assert len(decode(public_key)) == 65
    assert client.get(f"{DEVICES}/push-key").json()["public_key"] == public_key
    laptop, phone = Browser(peer, "laptop"), Browser(peer, "phone")
    for browser in (laptop, phone, laptop):
        made = ada.post(DEVICES, json={"subscription": browser.subscription(), "title": "Mine"})
        assert made.status_code == 201, made.text
        assert not {"endpoint", "keys", "subscription"} & made.json().keys()
    assert len(ada.get(DEVICES).json()["items"]) == 2
    peer.reply = lambda _call: Reply(201, None, {"Location": f"{peer.url}/message/1"})
    (delivery,) = ended(send(to=to, channels=PUSH, product="河流"))
    assert (delivery["status"], delivery["attempts"]) == ("sent", 1), delivery
    calls = {call.path: call for call in peer.calls}
    assert sorted(calls) == ["/push/laptop", "/push/phone"]
    for browser in (laptop, phone):
        call = calls[urlsplit(browser.endpoint).path]
        told = browser.read(call.body)
        assert (told["title"], told["delivery"]) == ("Welcome to 河流", delivery["id"])
        claims = claims_of(call, public_key, peer.url)
        assert 0 < claims["exp"] - time.time() < 365 * 86400
        assert claims["sub"].startswith(("mailto:", "https://"))
        assert decode(call.headers["topic"]) == UUID(delivery["id"]).bytes
        assert (call.headers["content-encoding"], call.headers["ttl"]) == ("aes128gcm", "259200")
    # The phone has unsubscribed: it is forgotten, the laptop is not.
    peer.reply = lambda call: Reply(410 if call.path.endswith("phone") else 201)
    (delivery,) = ended(send(to=to, channels=PUSH))
    assert delivery["status"] == "sent"
    (left,) = ada.get(DEVICES).json()["items"]
    assert left["used_at"] is not None
    peer.reply = lambda _call: Reply(404)
    (delivery,) = ended(send(to=to, channels=PUSH))
    assert (delivery["status"], ada.get(DEVICES).json()["items"]) == ("failed", [])


@pytest.mark.database
def test_devices_are_their_owner_s(as_user: AsUser, other_tenant: TestTenant, peer: HttpPeer) -> None:
    ada, bob, eve = as_user(USE), as_user(USE), as_user(USE, tenant=other_tenant)
    browser = Browser(peer, "shared")
    made = ada.post(DEVICES, json={"subscription": browser.subscription()}).json()
    place, seen = f"{DEVICES}/{made['id']}", {"If-Match": '"1"'}
    for stranger in (bob, eve):
        assert stranger.get(DEVICES).json()["items"] == []
        assert stranger.get(place).status_code == stranger.delete(place).status_code == 404
        assert stranger.patch(place, json={"title": "x"}, headers=seen).status_code == 404
    renamed = ada.patch(place, json={"title": "Laptop"}, headers=seen)
    assert (renamed.json()["title"], renamed.json()["service"]) == ("Laptop", "127.0.0.1")
    assert ada.patch(place, json={"title": "Laptop"}, headers=seen).status_code == 412
    # Bob signs in on the same computer.
    assert bob.post(DEVICES, json={"subscription": browser.subscription()}).status_code == 201
    assert (ada.get(DEVICES).json()["items"], len(bob.get(DEVICES).json()["items"])) == ([], 1)
    # What is somebody's in another organisation stays.
    assert eve.post(DEVICES, json={"subscription": browser.subscription()}).status_code == 201
    assert len(bob.get(DEVICES).json()["items"]) == 1
    for number in range(20):
        answer = ada.post(DEVICES, json={"subscription": Browser(peer, f"b{number}").subscription()})
        assert answer.status_code == 201
    assert ada.post(DEVICES, json={"subscription": browser.subscription()}).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "http://push.example/x"}, "subscription.endpoint"),
        ({"endpoint": "http://10.0.0.1/x"}, "subscription.endpoint"),
        ({"endpoint": "https://user@push.example/x"}, "subscription.endpoint"),
        ({"endpoint": "file:///etc/passwd"}, "subscription.endpoint"),
        ({"endpoint": "https://push.example/" + "x" * 1000}, "subscription.endpoint"),
        ({"keys": {"p256dh": encode(b"\4" + bytes(64)), "auth": encode(bytes(16))}}, "subscription.keys.p256dh"),
        ({"keys": {"p256dh": "…", "auth": encode(bytes(16))}}, "subscription.keys.p256dh"),
        (
            {"keys": {"p256dh": encode(public_bytes(ec.generate_private_key(CURVE))), "auth": encode(bytes(15))}},
            "subscription.keys.auth",
        ),
    ],
)
def test_what_is_no_subscription_is_refused(
    client: ApiClient, peer: HttpPeer, change: dict[str, Any], field: str
) -> None:
    body = {"subscription": {**Browser(peer, "x").subscription(), **change}}
    answer = client.post(DEVICES, json=body)
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_push_service_in_the_operator_s_network_is_not_called(
    as_user: AsUser, peer: HttpPeer, send: Send, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = as_user(USE)
    assert ada.user is not None
    assert ada.post(DEVICES, json={"subscription": Browser(peer, "x").subscription()}).status_code == 201
    monkeypatch.delenv("RIVEREDGE_OUTBOUND__ALLOW")
    (delivery,) = ended(send(to=[str(ada.user.id)], channels=PUSH))
    assert (delivery["status"], peer.calls) == ("failed", [])


def test_the_rfc_s_example_is_encrypted_alike() -> None:
    # RFC 8291, appendix A.
    key = ec.derive_private_key(int.from_bytes(decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), CURVE)
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        p256dh=decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        auth=decode("BTBZMqHH6r4Tts7J_aSIgg"),
        key=key,
        salt=decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert encode(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3"
        "jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_a_long_text_is_cut_to_fit() -> None:
    def made(subject: str, text: str) -> bytes:
        message = RenderedMessage(
            delivery_id=UUID(int=1), recipient_id=UUID(int=2), address="x", subject=subject, text=text
        )
        return content_of(message, InboxOptions())

    for text in ("a" * 10_000, "河" * 5000, '"\n' * 5000, "😀" * 3000):
        content = made("Long", text)
        assert MAX_CONTENT - 200 < len(content) <= MAX_CONTENT
        body = json.loads(content)["body"]
        assert body.endswith("…")
        assert text.startswith(body[:-1])
    with pytest.raises(PermanentFailure, match="too large"):
        made("河" * 2000, "x")
