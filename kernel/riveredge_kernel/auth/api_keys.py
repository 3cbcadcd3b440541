"""API keys: how they are written, and from a key to whoever acts with it.

A key reads `rek_` + 8 characters that tell it apart + `_` + 43 characters of secret + 6 characters of checksum, so that
scanners of leaked secrets know one when they see it and a mistyped one costs no query.
"""

import hashlib
import hmac
import secrets
import string
import time
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from riveredge_kernel.auth.grants import CACHE_SECONDS, Grants
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.db.database import Database
from riveredge_sdk.auth import Principal
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Unauthorized
from riveredge_sdk.runtime import Runtime

log = structlog.get_logger(__name__)

MARK = "rek_"
_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = len(MARK) + 8
_SECRET_LENGTH = 43  # 256 bits in base 62
_CHECK_LENGTH = 6
_LENGTH = _PREFIX_LENGTH + 1 + _SECRET_LENGTH + _CHECK_LENGTH
# How exact the last use is: noting every one would turn each read into a write.
USE_NOTED_EVERY = timedelta(minutes=10)
# How long one that has ended is still shown.
KEPT = timedelta(days=90)
_REMEMBERED = 10_000
# One message for all that is wrong with a key: what exists is not told to who does not have it.
_REFUSED = "The API key is not good: unknown, expired or revoked."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `secret` is the whole of it, shown once."""

    secret: str
    prefix: str
    digest: str


@dataclass(slots=True)
class _Known:
    """A key's row, without its secret, as it was at `read_at` (monotonic seconds)."""

    read_at: float
    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    account_id: UUID | None
    permissions: frozenset[str]
    expires_at: datetime
    revoked: bool
    last_used_at: datetime | None


def new_key() -> NewKey:
    """A fresh key."""
    prefix = MARK + _random(_PREFIX_LENGTH - len(MARK))
    body = f"{prefix}_{_random(_SECRET_LENGTH)}"
    secret = body + _checksum(body)
    return NewKey(secret, prefix, digest_of(secret))


def digest_of(secret: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_api_key(token: str) -> bool:
    """Whether a bearer token claims to be an API key."""
    return token.startswith(MARK)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _well_formed(token: str) -> bool:
    body, check = token[:-_CHECK_LENGTH], token[-_CHECK_LENGTH:]
    return len(token) == _LENGTH and token.isascii() and check == _checksum(body)


class ApiKeys:
    """Reads keys of requests."""

    def __init__(self, database: Database, runtime: Runtime, grants: Grants) -> None:
        self._database = database
        self._runtime = runtime
        self._grants = grants
        self._known: dict[str, _Known] = {}

    async def principal(self, token: str, address: str | None) -> Principal:
        """Who acts with the key. Notes its use.

        Args:
            address: where the request came from.

        Raises:
            Unauthorized: the key is unknown, expired or revoked, or its owner is not let in any more.
        """
        known = await self._find(token)
        if known is None or known.revoked or known.expires_at <= utcnow():
            raise Unauthorized(_REFUSED)
        if known.user_id is not None:
            owner, kind = known.user_id, "user"
            grant = await self._grants.get(owner, known.tenant_id)
        else:
            assert known.account_id is not None  # noqa: S101  (the table's check constraint)
            owner, kind = known.account_id, "service"
            grant = await self._grants.of_service_account(owner, known.tenant_id)
        if grant is None or not grant.active or grant.permissions is None:
            raise Unauthorized(_REFUSED)
        await self._note_use(known, address)
        return Principal(
            id=owner,
            kind="user" if kind == "user" else "service",
            name=grant.name,
            tenant_id=known.tenant_id,
            api_key_id=known.id,
            permissions=grant.permissions & known.permissions,
        )

    def invalidate(self) -> None:
        """Read all keys anew: one was changed."""
        self._known.clear()

    async def prune(self) -> int:
        """Forget keys that ended three months ago or earlier; how many."""
        over = utcnow() - KEPT
        ended = or_(col(ApiKey.expires_at) < over, col(ApiKey.revoked_at) < over)
        async with self._database.system("prune API keys", self._runtime) as session:
            return (await session.exec(delete(ApiKey).where(ended))).rowcount

    async def _find(self, token: str) -> _Known | None:
        if not _well_formed(token):
            return None
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is not None and time.monotonic() - known.read_at < CACHE_SECONDS:
            return known
        async with self._database.system("API key", self._runtime, read_only=True) as session:
            query = select(ApiKey).where(col(ApiKey.prefix) == token[:_PREFIX_LENGTH])
            row = (await session.exec(query)).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        known = _Known(
            read_at=time.monotonic(),
            id=row.id,
            tenant_id=row.tenant_id,
            user_id=row.user_id,
            account_id=row.account_id,
            permissions=frozenset(row.permissions),
            expires_at=row.expires_at,
            revoked=row.revoked_at is not None,
            last_used_at=row.last_used_at,
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = known
        return known

    async def _note_use(self, known: _Known, address: str | None) -> None:
        now = utcnow()
        before = now - USE_NOTED_EVERY
        if known.last_used_at is not None and known.last_used_at > before:
            return
        known.last_used_at = now
        note = (
            update(ApiKey)
            .where(
                col(ApiKey.id) == known.id,
                or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) <= before),
            )
            # Being used is no change of the key: its version and its time of change stay.
            .values(
                last_used_at=now,
                last_used_from=(address or "")[:45] or None,
                version=ApiKey.version,
                updated_at=ApiKey.updated_at,
            )
        )
        try:
            async with self._database.system("API key used", self._runtime) as session:
                await session.exec(note)
        except SQLAlchemyError as error:
            # A request is not refused because its use could not be noted, say on a busy SQLite.
            log.warning("api_key_use_not_noted", key=str(known.id), error=type(error).__name__)
