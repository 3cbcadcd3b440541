"""Bodies and answers about people's own addresses and devices."""

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import AfterValidator, BaseModel, Field

from riveredge_messaging.channels.web_push.encryption import CURVE, decode
from riveredge_messaging.reach.models import WEB_PUSH
from riveredge_sdk import Body, Resource
from riveredge_sdk.outbound import OutboundSettings


class AddressOut(Resource):
    """One's own address on a channel."""

    channel: str
    address: Annotated[str | None, Field(description="Where messages go.")]
    verified_at: datetime | None
    pending: Annotated[str | None, Field(description="Waits for the code that is sent there.")]
    code_until: Annotated[datetime | None, Field(description="Until when the code can be used.")]
    error: Annotated[str | None, Field(description="Why the code could not be sent.")]


class AddressIn(Body):
    """The new address. A code is sent there; it is used once that is given."""

    address: Annotated[str, Field(min_length=1, max_length=100)]


class CodeIn(Body):
    """The code that was sent."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]


def _endpoint(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    is_plain = parts.scheme == "http" and _is_let_in(parts.hostname or "")
    if not (parts.scheme == "https" or is_plain) or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("expected the https address of a push service")
    return endpoint


def _is_let_in(host: str) -> bool:
    """Whether the operator lets organisations reach this address within the own network, also without TLS."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in OutboundSettings().allow)


def _point(key: str) -> str:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(key))
    except ValueError:
        raise ValueError("expected the browser's public key, as PushSubscription gives it") from None
    return key


def _secret(auth: str) -> str:
    if len(decode(auth)) != 16:
        raise ValueError("expected 16 bytes in base64url, as PushSubscription gives them")
    return auth


class SubscriptionKeys(Body):
    """Of a PushSubscription."""

    p256dh: Annotated[str, Field(max_length=100), AfterValidator(_point)]
    auth: Annotated[str, Field(max_length=40), AfterValidator(_secret)]


class Subscription(Body):
    """What the browser's `PushSubscription.toJSON()` gives."""

    endpoint: Annotated[str, Field(max_length=1000), AfterValidator(_endpoint)]
    keys: SubscriptionKeys
    expirationTime: Annotated[float | None, Field(description="Not used.")] = None  # noqa: N815  (the browser's name)


class DeviceIn(Body):
    """A browser, with its subscription, or an app, with its token."""

    provider: Annotated[
        str,
        Field(max_length=100, description="messaging.web_push, messaging.fcm, messaging.apns, or another plugin's."),
    ] = WEB_PUSH
    subscription: Annotated[Subscription | None, Field(description="Of browsers.")] = None
    token: Annotated[
        str | None, Field(min_length=1, max_length=4096, description="Of apps: what the push service gave them.")
    ] = None
    app: Annotated[
        str,
        Field(
            max_length=200,
            pattern=r"^[A-Za-z0-9.:_-]*$",
            description="Whose token it is, where several apps are configured: the Firebase project, or the bundle.",
        ),
    ] = ""
    environment: Annotated[
        Literal["production", "sandbox"], Field(description="sandbox: an app for Apple's devices that Xcode installed.")
    ] = "production"
    title: Annotated[str, Field(max_length=200, description="What the person calls it: Work laptop.")] = ""


class DeviceChange(Body):
    """What may change about a device."""

    title: Annotated[str, Field(max_length=200)] | None = None


class DeviceOut(Resource):
    """One's own device."""

    title: str
    provider: str
    app: str
    environment: str
    service: Annotated[str, Field(description="The host of the browser's push service; empty for apps.")]
    registered_at: Annotated[datetime, Field(description="When the browser or the app last said that it is there.")]
    used_at: Annotated[datetime | None, Field(description="When a message was last handed over for it.")]


class PushKeyOut(BaseModel):
    """For `pushManager.subscribe({userVisibleOnly: true, applicationServerKey: …})`."""

    public_key: str
