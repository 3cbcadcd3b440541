"""Bodies and answers about people's own addresses and devices."""

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import AfterValidator, BaseModel, Field

from riveredge_messaging.channels.web_push.encryption import CURVE, decode
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
    """A browser that is to notify."""

    subscription: Subscription
    title: Annotated[str, Field(max_length=200, description="What the person calls it: Work laptop.")] = ""


class DeviceChange(Body):
    """What may change about a device."""

    title: Annotated[str, Field(max_length=200)] | None = None


class DeviceOut(Resource):
    """One's own device."""

    title: str
    service: Annotated[str, Field(description="The host of the browser's push service.")]
    used_at: Annotated[datetime | None, Field(description="When a message was last handed over for it.")]


class PushKeyOut(BaseModel):
    """For `pushManager.subscribe({userVisibleOnly: true, applicationServerKey: …})`."""

    public_key: str
