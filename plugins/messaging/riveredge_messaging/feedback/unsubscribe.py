"""Links by which a reader ends mails of one category (RFC 8058), without signing in.

The link says who and what, signed with a key of the organisation's own that never changes: links in old mails have to
work for years. It is good for nothing else.
"""

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from riveredge_messaging.delivery.models import LinkKey
from riveredge_messaging.delivery.repository import LinkKeys
from riveredge_sdk import current_tenant, savepoint, session, unit_of_work
from riveredge_sdk.runtime import public_url
from riveredge_sdk.secrets import seal, unseal
from riveredge_sdk.uow import current_unit_of_work

CHANNEL = "messaging.email"
PATH = "/api/v1/messaging/unsubscribe/"
_MAC = 16
_KEPT = 1000

# Keys never change, so a process need not ask again.
_keys: OrderedDict[UUID, bytes] = OrderedDict()


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
        mac, body = raw[:_MAC], raw[_MAC:]
        if len(body) < 33 or body[:16] != self.tenant_id.bytes or not hmac.compare_digest(mac, self._mac(body)):
            return None
        return Wish(UUID(bytes=body[16:32]), body[32:].decode())

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self.key, b"unsubscribe" + body, hashlib.sha256).digest()[:_MAC]


def tenant_of(token: str) -> UUID | None:
    """The tenant that a token names; nothing is proven by that."""
    raw = _bytes(token)
    return UUID(bytes=raw[_MAC : _MAC + 16]) if len(raw) > _MAC + 32 else None


async def links() -> Links:
    """The current tenant's, with its key, which is made at its first use."""
    tenant_id = current_tenant()
    if tenant_id not in _keys:
        _keys[tenant_id] = (await _sealed_key()).encode()
        if len(_keys) > _KEPT:
            _keys.popitem(last=False)
    return Links(tenant_id, _keys[tenant_id])


async def _sealed_key() -> str:
    if current_unit_of_work.get() is not None:
        return unseal((await _row()).key)
    async with unit_of_work():
        return unseal((await _row()).key)


async def known_links() -> Links | None:
    """The current tenant's, or None if it has made none yet. Inside a unit of work, also one for reading."""
    tenant_id = current_tenant()
    if tenant_id not in _keys and (await session().exec(select(LinkKey))).first() is None:
        return None
    return await links()


async def _row() -> LinkKey:
    found = (await session().exec(select(LinkKey))).one_or_none()
    if found is not None:
        return found
    try:
        async with savepoint():
            return await LinkKeys().add(LinkKey(key=seal(secrets.token_urlsafe(32))))
    except IntegrityError:
        return (await session().exec(select(LinkKey))).one()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    if len(token) > 500:
        return b""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
