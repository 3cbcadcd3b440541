"""Calls to other systems, signed as Standard Webhooks says (https://www.standardwebhooks.com), version 1.

    headers = signature(secret, str(event.id), int(utcnow().timestamp()), body)
    answer = await call_out("POST", url, headers=headers, content=body)         # or a CallFailedError

The receiver verifies who calls, and tells repetitions by `webhook-id`.
"""

import base64
import hashlib
import hmac
import re
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2

from riveredge_sdk.models import utcnow
from riveredge_sdk.outbound import OutboundRefusedError, outbound_client

PREFIX = "whsec_"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VISIBLE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]{0,998}[\x21-\x7e])?")
# Set by the platform, or by HTTP itself.
_OURS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)

_AGAIN = frozenset({408, 425, 429})
_SHOWN = 500


class CallFailedError(Exception):
    """A call came to nothing; the message is for people.

    Args:
        retry: whether another try may help.
        retry_after: seconds, if the receiver asked to wait.
    """

    def __init__(self, message: str, *, retry: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after = retry_after


async def call_out(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
    seconds: float = 10,
    max_bytes: int = 64_000,
) -> httpx2.Response:
    """Call an address that a tenant has named, past the guard of `riveredge_sdk.outbound`; its answer, if it is a 2xx.

    Outside of any transaction.

    Args:
        seconds: for connecting, and for each wait for more of the answer.

    Raises:
        CallFailedError: the address is refused or not reached, or the answer is another one. 408, 425, 429 and 5xx may
            be tried again.
    """
    try:
        async with outbound_client(seconds=seconds, max_bytes=max_bytes) as client:
            answer = await client.request(method, url, headers=dict(headers), content=content)
    except OutboundRefusedError as refused:
        raise CallFailedError(f"The address is not to be called: {refused}", retry=False) from None
    except httpx2.InvalidURL as wrong:
        raise CallFailedError(f"The address is none: {wrong}", retry=False) from None
    except (TimeoutError, httpx2.HTTPError) as error:
        raise CallFailedError(f"No answer: {type(error).__name__}: {error}"[:500]) from None
    if answer.is_success:
        return answer
    raise CallFailedError(
        f"The receiver answered {answer.status_code}: {shown(answer)}",
        retry=answer.status_code in _AGAIN or answer.status_code >= 500,
        retry_after=retry_after(answer.headers),
    )


def shown(answer: httpx2.Response) -> str:
    """The beginning of an answer, as it can be kept and shown."""
    return answer.text[:_SHOWN].replace("\x00", "")


def signature(secret: str, message_id: str, timestamp: int, body: bytes, *further: str) -> dict[str, str]:
    """The headers of a signed call.

    Args:
        secret: `whsec_` and base64, or any text, whose bytes are the key.
        message_id: the same over all attempts.
        timestamp: seconds of the Unix epoch.
        further: former secrets, which sign as well until the receiver knows the new one.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.new(key_bytes(each), signed, hashlib.sha256).digest() for each in (secret, *further))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made),
    }


def key_bytes(secret: str) -> bytes:
    """The key that a secret stands for.

    Raises:
        ValueError: after `whsec_` comes no base64.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except Base64Error:
        raise ValueError(f"after {PREFIX} comes base64") from None


def check_headers(headers: Mapping[str, str]) -> None:
    """See that headers which somebody has written can be sent along.

    Raises:
        ValueError: one is none, has characters that none may have, or is set by the platform.
    """
    for name, content in headers.items():
        if not _TOKEN.fullmatch(name) or not _VISIBLE.fullmatch(content):
            raise ValueError(f"{name[:64]!r} is no header, or has characters that none may have")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name!r} is set by the platform")


def retry_after(headers: Mapping[str, str], *, at_most: float = 3600) -> float | None:
    """The seconds that a receiver asks to wait (RFC 9110 §10.2.3: seconds, or a date); None if it asks for nothing.

    Args:
        headers: of the answer, by any spelling (`httpx2.Headers`).
    """
    wanted = headers.get("retry-after", "").strip()
    if wanted.isascii() and wanted.isdigit():
        return min(float(wanted[:9]), at_most)
    try:
        at = parsedate_to_datetime(wanted) if wanted else None
    except (ValueError, TypeError):
        return None
    if at is None:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max((at - utcnow()).total_seconds(), 1.0), at_most)


__all__ = ["PREFIX", "CallFailedError", "call_out", "check_headers", "key_bytes", "retry_after", "shown", "signature"]
