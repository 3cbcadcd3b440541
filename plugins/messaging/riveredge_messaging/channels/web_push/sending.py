"""Hands one encrypted message to the push service of one browser."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from riveredge_messaging.channels.cutting import fit, packed
from riveredge_messaging.channels.web_push.encryption import MAX_CONTENT, decode, encrypt
from riveredge_messaging.channels.web_push.vapid import authorization
from riveredge_messaging.inbox.options import InboxOptions
from riveredge_messaging.providers.calls import call
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import PermanentFailure, RenderedMessage

# How long push services keep it for a browser that is off.
KEPT = timedelta(days=3)
_GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who pushes: the installation's key, and how its operator is reached."""

    key: ec.EllipticCurvePrivateKey
    subject: str


class GoneError(Exception):
    """The browser has unsubscribed."""


def content_of(message: RenderedMessage, options: InboxOptions) -> bytes:
    """What the page's service worker gets, as JSON: title, body, tag, link, actions and delivery.

    A long body is cut, so that all of it fits into one push.
    """
    told = {
        "title": message.subject,
        # Browsers replace a notification by a later one with the same tag: a repetition is not seen twice.
        "tag": str(message.delivery_id),
        "delivery": str(message.delivery_id),
        "link": options.link,
        "actions": [action.model_dump() for action in options.actions],
    }
    return packed(fit(message.text, MAX_CONTENT, lambda text: {**told, "body": text}))


def kept_for(message: RenderedMessage) -> timedelta:
    """How long a push service is to keep it: until it is of no use, and no longer than `KEPT`."""
    if message.expires_at is None:
        return KEPT
    return min(max(message.expires_at - utcnow(), timedelta()), KEPT)


async def push_to(subscription: Mapping[str, Any], content: bytes, message: RenderedMessage, sender: Sender) -> str:
    """Hand it over (RFC 8030); the service's own address of the message.

    Raises:
        GoneError: the browser has unsubscribed.
        PermanentFailure: the service refuses the message.
        TemporaryFailure, UnknownOutcome, ConfigurationFailure: see `call`.
    """
    endpoint = str(subscription["endpoint"])
    keys = subscription["keys"]
    headers = {
        "Authorization": authorization(sender.key, endpoint, subject=sender.subject, now=utcnow()),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(int(kept_for(message).total_seconds())),
        # A message that waits is replaced by its own repetition.
        "Topic": urlsafe_b64encode(message.delivery_id.bytes).rstrip(b"=").decode(),
    }
    body = encrypt(content, p256dh=decode(keys["p256dh"]), auth=decode(keys["auth"]))
    answer = await call(endpoint, headers=headers, content=body)
    if answer.status_code in _GONE:
        raise GoneError
    if answer.status_code >= 300:
        raise PermanentFailure(f"The push service answers {answer.status_code}: {answer.text[:200]}")
    return answer.headers.get("location", "")[:500]
