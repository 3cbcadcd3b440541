"""Signatures of the protocol: HMAC-SHA256 over the body and a time, and the hash of a key that travels as a bearer."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from typing import Any
from urllib.parse import parse_qs

_PREFIX = re.compile(r"^signkey-\w+-")
_MAX_AGE_SECONDS = 300


def _bare(key: str) -> str:
    return _PREFIX.sub("", key)


def check_key(key: str) -> None:
    """Raises ValueError for a signing key that is not hexadecimal behind its prefix, as every SDK expects."""
    if not _bare(key):
        raise ValueError("the signing key is empty")
    try:
        bytes.fromhex(_bare(key))
    except ValueError as error:
        raise ValueError("a signing key is hexadecimal, optionally behind signkey-<name>-") from error


def hash_key(key: str) -> str:
    """What an SDK sends as `Authorization: Bearer`, so that the key itself does not travel."""
    return hashlib.sha256(bytes.fromhex(_bare(key))).hexdigest()


def bearers(key: str) -> tuple[str, ...]:
    """What proves the key as a bearer: its hash, which some SDKs send with the key's prefix, or the key itself."""
    prefix = _PREFIX.match(key)
    hashed = hash_key(key)
    return (hashed, f"{prefix[0]}{hashed}", key) if prefix else (hashed, key)


def canonical_json(value: Any) -> bytes:
    """RFC 8785: the one form of a JSON value that both sides sign."""
    import jcs  # type: ignore[import-untyped]

    return bytes(jcs.canonicalize(value))


def canonical_body(body: bytes) -> bytes:
    """The canonical form of a JSON text. Raises ValueError."""
    return canonical_json(json.loads(body)) if body else b""


def sign(key: str, body: bytes, now: int | None = None) -> str:
    """The value of `x-inngest-signature` for a body; `now` in seconds."""
    moment = int(time.time()) if now is None else now
    return f"t={moment}&s={_mac(key, body, str(moment))}"


def verify(key: str, body: bytes, signature: str | None) -> bool:
    """Whether a signature is right and not older than five minutes."""
    if not signature:
        return False
    fields = parse_qs(signature)
    moment, mac = fields.get("t", [""])[0], fields.get("s", [""])[0]
    if not moment.isdigit() or abs(time.time() - int(moment)) > _MAX_AGE_SECONDS:
        return False
    return hmac.compare_digest(_mac(key, body, moment).encode(), mac.encode())


def _mac(key: str, body: bytes, moment: str) -> str:
    return hmac.new(_bare(key).encode(), body + moment.encode(), hashlib.sha256).hexdigest()
