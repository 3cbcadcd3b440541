"""Identifiers: ULIDs for events and runs, stable UUIDs for apps and functions."""

from __future__ import annotations

import base64
import binascii
import secrets
import uuid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SEED_BYTES = 10
_NAMESPACE = uuid.UUID("6f0f1f0e-3f5b-5b86-9c55-52495645524e")


def encode_ulid(instant_ms: int, entropy: int) -> str:
    """26 characters of Crockford base 32: 48 bits of time, then 80 bits of entropy."""
    value = (instant_ms & ((1 << 48) - 1)) << 80 | entropy & ((1 << 80) - 1)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


class UlidFactory:
    """ULIDs that never go backwards within one process, so that ids sort in the order they were made."""

    def __init__(self) -> None:
        self._last_ms = 0
        self._entropy = 0

    def new(self, instant_ms: int) -> str:
        if instant_ms > self._last_ms:
            self._last_ms = instant_ms
            self._entropy = secrets.randbits(79)
        else:
            self._entropy += 1
        return encode_ulid(self._last_ms, self._entropy)


def seeded_ulids(header: str, count: int) -> list[str]:
    """Ids for the events of one request from `x-inngest-event-id-seed: <ms>,<base64 of 10 bytes>`.

    The SDK repeats the seed when it retries a request, so the retried events get the same ids. Raises ValueError.
    """
    millis, _, encoded = header.partition(",")
    try:
        entropy = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("the event id seed is not base64") from error
    if len(entropy) != _SEED_BYTES:
        raise ValueError(f"the event id seed has {len(entropy)} bytes, not {_SEED_BYTES}")
    first = int.from_bytes(entropy, "big")
    return [encode_ulid(int(millis), first + index) for index in range(count)]


def app_uuid(name: str) -> str:
    """The id of an app; its identity is its name."""
    return str(uuid.uuid5(_NAMESPACE, f"app:{name}"))


def function_uuid(app_name: str, slug: str) -> str:
    """The id of a function; its identity is its app and slug, so that a new address keeps the history."""
    return str(uuid.uuid5(_NAMESPACE, f"function:{app_name}:{slug}"))
