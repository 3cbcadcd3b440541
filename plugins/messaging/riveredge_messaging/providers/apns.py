"""Push to Apple's devices: Apple's push service over HTTP/2, with provider tokens."""

import asyncio
import re
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid5

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr, field_validator

from riveredge_messaging.channels.cutting import fit, packed
from riveredge_messaging.channels.web_push.sending import kept_for
from riveredge_messaging.inbox.options import read_options
from riveredge_messaging.providers.calls import MAX_ANSWER, call, check_busy, json_of
from riveredge_messaging.reach.models import PUSH
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderConfig,
    RenderedMessage,
    TemporaryFailure,
)
from riveredge_sdk.outbound import outbound_client

MAX_CONTENT = 4096
_PLACES = {"production": "https://api.push.apple.com", "sandbox": "https://api.sandbox.push.apple.com"}
# Apple takes a provider token for an hour, and no more than one in 20 minutes. Processes make the same claims in the
# same half hour, so that together they do not make more of them.
_SLOT = 1800
# Connections that are kept in one process.
_KEPT = 100
_DEVICE = re.compile(r"(?:[0-9a-f]{2}){32,100}")
_ID = r"^[A-Z0-9]{10}$"

# https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
_GONE = frozenset({"BadDeviceToken", "Unregistered", "ExpiredToken"})
_MISCONFIGURED = frozenset(
    {
        "BadCertificate",
        "BadCertificateEnvironment",
        "BadEnvironmentKeyIdInToken",
        "BadTopic",
        "ExpiredProviderToken",
        "Forbidden",
        "InvalidProviderToken",
        "MissingProviderToken",
        "MissingTopic",
        "TopicDisallowed",
        "UnrelatedKeyIdInToken",
    }
)
# The provider token was renewed too often: until the next one may be made.
_TOO_MANY_TOKENS = 1200.0


class ApnsConfig(ProviderConfig):
    """An app, and the key by which Apple knows its team."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"api_url"})

    team_id: Annotated[str, Field(title="Team ID", description="Ten characters.", pattern=_ID)]
    key_id: Annotated[str, Field(title="Key ID", description="Ten characters.", pattern=_ID)]
    private_key: Annotated[
        SecretStr, Field(title="Key", description="The whole .p8 file of an APNs key.", max_length=5000)
    ]
    topic: Annotated[
        str, Field(title="Bundle ID", description="Of the app.", pattern=r"^[A-Za-z0-9.\-]+$", max_length=200)
    ]
    environment: Annotated[
        Literal["production", "sandbox"],
        Field(title="Environment", description="sandbox: apps that come from Xcode, not from the App Store."),
    ] = "production"
    api_url: Annotated[
        str | None, Field(title="API", description="Instead of Apple's own: a proxy to it.", max_length=200)
    ] = None

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, given: SecretStr) -> SecretStr:
        key_of(given.get_secret_value())
        return given

    @property
    def place(self) -> str:
        """Where Apple is called."""
        return (self.api_url or _PLACES[self.environment]).rstrip("/")


class Apns(MessageProvider[ApnsConfig]):
    """Apps for iPhone, iPad, Mac and Watch."""

    id = "messaging.apns"
    channel = PUSH
    title = "Apple Push Notification service"
    description = "Push to iPhones, iPads, Macs and watches."
    config = ApnsConfig

    def __init__(self) -> None:
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, httpx2.AsyncClient]] = (
            weakref.WeakKeyDictionary()
        )

    def check_address(self, address: str) -> str:
        if not _DEVICE.fullmatch(address.lower()):
            raise ValueError("expected the device token in hexadecimal digits, 64 or more")
        return address.lower()

    def reaches(self, config: ApnsConfig, app: str, environment: str) -> bool:
        return app in {"", config.topic} and environment == config.environment

    def parallel(self, config: ApnsConfig) -> int:
        return 50

    async def send(self, config: ApnsConfig, message: RenderedMessage) -> DeliveryResult:
        url = f"{config.place}/3/device/{message.address}"
        headers = {
            "authorization": f"bearer {provider_token(config, utcnow())}",
            "content-type": "application/json",
            "apns-topic": config.topic,
            "apns-push-type": "alert",
            "apns-priority": "10",
            # The same each time it is tried; what is shown already is replaced.
            "apns-id": str(uuid5(message.delivery_id, message.address)),
            "apns-collapse-id": str(message.delivery_id),
            "apns-expiration": str(int((utcnow() + kept_for(message)).timestamp())),
        }
        answer = await call(url, headers=headers, content=_content(message), client=await self._client(config.place))
        if answer.status_code == 200:
            return DeliveryResult("accepted", reference=answer.headers.get("apns-id", "")[:500])
        raise _failure(answer)

    async def _client(self, place: str) -> httpx2.AsyncClient:
        """The client that keeps the connection: Apple takes many short ones for an attack."""
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        found = clients.pop(place, None) or outbound_client(max_bytes=MAX_ANSWER, http2=True)
        # The last one is the one that was used last.
        clients[place] = found
        if len(clients) > _KEPT:
            await clients.pop(next(iter(clients))).aclose()
        return found

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.aclose()


def key_of(pem: str) -> ec.EllipticCurvePrivateKey:
    """The key of a .p8 file.

    Raises:
        ValueError: it is none on the curve P-256.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("expected the .p8 file that Apple gives, a private key on the curve P-256 in PEM")
    return key


def provider_token(config: ApnsConfig, now: datetime) -> str:
    """Tells Apple which team pushes."""
    seconds = int(now.timestamp())
    return _signed(config.team_id, config.key_id, config.private_key.get_secret_value(), seconds - seconds % _SLOT)


_tokens: dict[tuple[str, str, str, int], str] = {}


def _signed(team: str, key_id: str, pem: str, issued: int) -> str:
    key = (team, key_id, pem, issued)
    if key not in _tokens:
        claims, headers = {"iss": team, "iat": issued}, {"kid": key_id}
        for old in [each for each in _tokens if each[3] != issued]:
            del _tokens[old]
        _tokens[key] = jwt.encode(claims, key_of(pem), algorithm="ES256", headers=headers)
    return _tokens[key]


def _content(message: RenderedMessage) -> bytes:
    options = read_options(message)
    told = {
        "delivery": str(message.delivery_id),
        "link": options.link,
        "actions": [action.model_dump() for action in options.actions],
    }

    def made(text: str) -> Mapping[str, Any]:
        return {"aps": {"alert": {"title": message.subject, "body": text}, "sound": "default"}, **told}

    return packed(fit(message.text, MAX_CONTENT, made))


def _failure(answer: httpx2.Response) -> Exception:
    body = json_of(answer)
    reason = str(body.get("reason", ""))
    text = f"Apple answers {answer.status_code} {reason}".strip()[:300]
    if reason in _GONE:
        return PermanentFailure(text, bad_address=True, gone_at=_time(body.get("timestamp")))
    if reason == "TooManyProviderTokenUpdates":
        return TemporaryFailure(text, retry_after=_TOO_MANY_TOKENS)
    if reason == "TooManyRequests":
        # To this device, not altogether.
        return TemporaryFailure(text, of_recipient=True)
    try:
        check_busy(answer)
    except TemporaryFailure as failure:
        return TemporaryFailure(text, retry_after=failure.retry_after)
    if reason in _MISCONFIGURED or answer.status_code < 400 or answer.status_code in {401, 403, 404, 405}:
        return ConfigurationFailure(text)
    return PermanentFailure(text)


def _time(milliseconds: Any) -> datetime | None:
    """Since when the token is gone."""
    if not isinstance(milliseconds, int) or not 0 < milliseconds < 253402300800000:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
