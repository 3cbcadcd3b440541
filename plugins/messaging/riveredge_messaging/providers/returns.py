"""Marks by which a report that comes back is told to be about one of our deliveries.

A mail carries its mark in the address that reports go to (VERP) and in a header. It is signed, for anybody can write to
that address, and what bounced is not written to again.
"""

import base64
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from riveredge_messaging.feedback.link_keys import link_key, mac
from riveredge_messaging.providers.addresses import mail_address

HEADER = "X-RiverEdge-Delivery"
_USE = b"return"
_MAC = 10
# 16 bytes of the delivery and those of the signature, in letters that survive servers which change their case.
_MARK = re.compile(r"(?<![a-z2-7])[a-z2-7]{42}(?![a-z2-7])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marks:
    """Makes and reads an organisation's marks."""

    key: bytes

    def make(self, delivery_id: UUID) -> str:
        """The mark of a delivery."""
        return base64.b32encode(delivery_id.bytes + self._mac(delivery_id)).decode().rstrip("=").lower()

    def find(self, text: str) -> UUID | None:
        """The delivery of the first mark in a text that was made here."""
        return next(self._read(text), None)

    def _read(self, text: str) -> Iterator[UUID]:
        for found in _MARK.findall(text):
            raw = base64.b32decode(found.upper() + "=" * 6)
            delivery_id = UUID(bytes=raw[:16])
            if hmac.compare_digest(raw[16:], self._mac(delivery_id)):
                yield delivery_id

    def _mac(self, delivery_id: UUID) -> bytes:
        return mac(self.key, _USE, delivery_id.bytes, _MAC)


async def marks() -> Marks:
    """The current tenant's."""
    return Marks(await link_key())


def return_path(bounce_address: str, mark: str) -> str:
    """The variant of the address for one delivery (VERP)."""
    local, _, domain = mail_address(bounce_address).addr_spec.rpartition("@")
    return f"{local}+{mark}@{domain}"
