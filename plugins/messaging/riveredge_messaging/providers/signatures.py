"""Signatures of calls: `X-RiverEdge-Signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over "<t>.<body>">`."""

import hashlib
import hmac
import time

from riveredge_sdk.features.messaging import CallbackRefusedError, CallbackRequest

HEADER = "x-riveredge-signature"
# How far the caller's clock may be off; what is older could be a replay.
TOLERANCE_SECONDS = 300


def sign(secret: str, body: bytes, at: int | None = None) -> str:
    """The header's value."""
    stamp = int(time.time()) if at is None else at
    return f"t={stamp},v1={_mac(secret, stamp, body)}"


def check_signature(secret: str, request: CallbackRequest) -> None:
    """See that the call was signed with the secret, not long ago.

    Raises:
        CallbackRefusedError: it was not.
    """
    parts = dict(part.strip().partition("=")[::2] for part in request.headers.get(HEADER, "").split(","))
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not stamp.isdecimal() or len(stamp) > 12 or abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
        raise CallbackRefusedError(f"The header {HEADER} is missing, or its time is not now.")
    if not hmac.compare_digest(given.encode(), _mac(secret, int(stamp), request.body).encode()):
        raise CallbackRefusedError("The signature is not right.")


def _mac(secret: str, stamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
