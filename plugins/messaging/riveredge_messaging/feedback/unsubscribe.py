"""Links by which a reader ends mails of one category (RFC 8058), without signing in.

The link says who and what, signed with the organisation's own key: links in old mails have to work for years. It is
good for nothing else.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from riveredge_messaging.feedback.link_keys import known_link_key, link_key, mac
from riveredge_sdk import current_tenant
from riveredge_sdk.runtime import public_url

CHANNEL = "messaging.email"
PATH = "/api/v1/messaging/unsubscribe/"
_MAC = 16


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants no more mails of which category."""

    recipient_id: UUID
    category: str


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads an organisation's links."""

    tenant_id: UUID
    key: bytes

    def url(self, recipient_id: UUID, category: str) -> str:
        """The link: its GET shows a page, its POST acts."""
        return public_url(PATH + self.token(recipient_id, category))

    def headers(self, recipient_id: UUID, category: str) -> Mapping[str, str]:
        """The headers that let mail programs offer it as a button."""
        return {
            "List-Unsubscribe": f"<{self.url(recipient_id, category)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def token(self, recipient_id: UUID, category: str) -> str:
        """What stands in the link."""
        body = self.tenant_id.bytes + recipient_id.bytes + category.encode()
        return _text(self._mac(body) + body)

    def read(self, token: str) -> Wish | None:
        """What a token stands for, or None if it was not made here."""
        raw = _bytes(token)
        given, body = raw[:_MAC], raw[_MAC:]
        if len(body) < 33 or body[:16] != self.tenant_id.bytes or not hmac.compare_digest(given, self._mac(body)):
            return None
        return Wish(UUID(bytes=body[16:32]), body[32:].decode())

    def _mac(self, body: bytes) -> bytes:
        return mac(self.key, b"unsubscribe", body, _MAC)


def tenant_of(token: str) -> UUID | None:
    """The tenant that a token names; nothing is proven by that."""
    raw = _bytes(token)
    return UUID(bytes=raw[_MAC : _MAC + 16]) if len(raw) > _MAC + 32 else None


async def links() -> Links:
    """The current tenant's."""
    return Links(current_tenant(), await link_key())


async def known_links() -> Links | None:
    """The current tenant's, or None if it has made none yet. Inside a unit of work, also one for reading."""
    key = await known_link_key()
    return Links(current_tenant(), key) if key is not None else None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    if len(token) > 500:
        return b""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
