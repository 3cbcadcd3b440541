"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, as authenticator apps expect."""

import base64
import hmac
import secrets
from collections.abc import Iterator
from urllib.parse import quote

PERIOD = 30
_DIGITS = 6
# A code may be one period old or early: clocks of phones and networks are.
_DRIFT = 1


def new_secret() -> str:
    """A secret of 160 bits (RFC 4226 §4), in base 32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of one period; `step` counts periods since 1970."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The period that the code belongs to, if it is good at this time (Unix seconds). Compares all, whatever fits."""
    found = None
    for step in _steps(now):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def _steps(now: float) -> Iterator[int]:
    current = int(now) // PERIOD
    yield from range(current - _DRIFT, current + _DRIFT + 1)


def uri(secret: str, account: str, issuer: str) -> str:
    """What the QR code for an authenticator app holds (Google's Key URI format)."""
    return (
        f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='')}?secret={secret}"
        f"&issuer={quote(issuer, safe='')}&algorithm=SHA1&digits={_DIGITS}&period={PERIOD}"
    )
