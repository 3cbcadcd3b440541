"""The key that signs what an organisation gives out in messages and has to know again years later.

It never changes. Each use of it signs a word of its own first, so that nothing signed for one is good for another.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from riveredge_messaging.delivery.models import LinkKey
from riveredge_messaging.delivery.repository import LinkKeys
from riveredge_sdk import current_tenant, savepoint, session, unit_of_work
from riveredge_sdk.secrets import seal, unseal
from riveredge_sdk.uow import current_unit_of_work

_KEPT = 1000

# What was committed; a process need not ask again.
_keys: OrderedDict[UUID, bytes] = OrderedDict()


async def link_key() -> bytes:
    """The current tenant's, which is made at its first use."""
    tenant_id = current_tenant()
    if tenant_id in _keys:
        return _keys[tenant_id]
    if current_unit_of_work.get() is not None:
        # It may be rolled back, and the key with it.
        return unseal((await _row()).key).encode()
    async with unit_of_work():
        found = unseal((await _row()).key).encode()
    _keys[tenant_id] = found
    if len(_keys) > _KEPT:
        _keys.popitem(last=False)
    return found


async def known_link_key() -> bytes | None:
    """The current tenant's, or None if it has none yet. Inside a unit of work, also one for reading."""
    if current_tenant() not in _keys and (await session().exec(select(LinkKey))).first() is None:
        return None
    return await link_key()


def mac(key: bytes, use: bytes, body: bytes, size: int) -> bytes:
    """So many bytes of the signature of something, for one use of the key."""
    return hmac.new(key, use + body, hashlib.sha256).digest()[:size]


async def _row() -> LinkKey:
    found = (await session().exec(select(LinkKey))).one_or_none()
    if found is not None:
        return found
    try:
        async with savepoint():
            return await LinkKeys().add(LinkKey(key=seal(secrets.token_urlsafe(32))))
    except IntegrityError:
        return (await session().exec(select(LinkKey))).one()
