"""Sessions: begun by a sign-in, kept alive by rotating refresh tokens (RFC 9700 §4.14.2), ended by a word.

Functions take the database session that they work in: whoever calls decides what is one transaction.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.session_models import RefreshToken, UserSession
from riveredge_kernel.auth.trail import Happening, note
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import AuthSettings
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Unauthorized
from riveredge_sdk.runtime import Runtime

# Other processes learn of a revocation after this time; this one at once.
CACHE_SECONDS = 5.0
_REMEMBERED = 10_000
# How long ended sessions are kept for whoever looks into what happened.
_KEPT = timedelta(days=30)
_ENDED = "This session has ended. Sign in again."


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and the refresh token that goes to its device: shown once, kept as a hash.

    `idle` is how long it had not been used before.
    """

    session: UserSession
    refresh_token: str
    idle: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """What is asked of a session at each request."""

    user_id: UUID
    began_at: datetime
    second_factor: bool


def hashed(token: str) -> str:
    """How a random token is kept. It has 256 bits of its own, so that a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def _follower(token: str, salt: str) -> str:
    """The token after this one. Whoever reads the salt in the database still lacks the token."""
    digest = hmac.digest(token.encode(), salt.encode(), "sha256")
    return "rvr_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Sessions:
    """Begins, continues and ends sessions."""

    def __init__(self, database: Database, runtime: Runtime, settings: AuthSettings) -> None:
        self._database = database
        self._runtime = runtime
        self._idle = timedelta(days=settings.session_idle_days)
        self._longest = timedelta(days=settings.session_max_days)
        self._longest_bound = min(self._longest, timedelta(hours=settings.provider_session_hours))
        self._grace = timedelta(seconds=settings.refresh_grace_seconds)
        self._live: dict[UUID, tuple[float, LiveSession | None]] = {}
        self._generation = 0

    async def open(
        self,
        db: AsyncSession,
        user_id: UUID,
        device: Device,
        *,
        method: str,
        second_factor: bool = False,
        tenant_id: UUID | None = None,
        bound: bool = False,
    ) -> Opened:
        """Begin a session.

        Args:
            bound: it may act in that tenant only.
        """
        now = utcnow()
        begun = UserSession(
            user_id=user_id,
            acting_tenant_id=tenant_id,
            bound=bound,
            method=method,
            second_factor=second_factor,
            user_agent=device.user_agent,
            ip=device.ip,
            last_used_at=now,
            idle_at=now + self._idle,
            expires_at=now + (self._longest_bound if bound else self._longest),
        )
        db.add(begun)
        await db.flush()
        token = "rvr_" + secrets.token_urlsafe(32)
        db.add(RefreshToken(session_id=begun.id, token_hash=hashed(token)))
        return Opened(begun, token)

    async def refresh(self, token: str, device: Device) -> Opened:
        """Continue a session: the token is used up, its follower is the result.

        The same token sent again within the grace (two tabs, an answer that was lost) gives the same follower. After
        that it is a replay: somebody else has had the token, and the whole session ends.

        Raises:
            Unauthorized: the token is none of ours, was used before, or its session has ended.
        """
        now, follower, idle = utcnow(), "", timedelta(0)
        async with self._database.system("refresh", self._runtime) as db:
            query = (
                select(RefreshToken, UserSession)
                .join(UserSession, col(UserSession.id) == col(RefreshToken.session_id))
                .where(col(RefreshToken.token_hash) == hashed(token))
            )
            found = (await db.exec(query.with_for_update())).one_or_none()
            if found is None:
                raise Unauthorized("The refresh token is not one of ours. Sign in again.")
            row, session = found
            if session.revoked_at is not None or min(session.idle_at, session.expires_at) <= now:
                raise Unauthorized(_ENDED)
            replayed = row.used_at is not None and now - row.used_at > self._grace
            if replayed:
                await self.revoke(db, [session.id], "refresh token replayed")
                await note(db, "refresh_token_replayed", session.user_id, session=str(session.id), ip=device.ip)
            else:
                follower, idle = self._rotate(db, row, token), now - session.last_used_at
                session.last_used_at, session.idle_at = now, now + self._idle
                session.ip, session.user_agent = device.ip or session.ip, device.user_agent or session.user_agent
        if replayed:
            raise Unauthorized("This refresh token was used before, so the session has been ended. Sign in again.")
        return Opened(session, follower, idle)

    @staticmethod
    def _rotate(db: AsyncSession, row: RefreshToken, token: str) -> str:
        if row.used_at is None or row.salt is None:
            row.used_at, row.salt = utcnow(), secrets.token_urlsafe(32)
            follower = _follower(token, row.salt)
            db.add(RefreshToken(session_id=row.session_id, token_hash=hashed(follower)))
            return follower
        return _follower(token, row.salt)

    async def act_in(self, db: AsyncSession, session_id: UUID, tenant_id: UUID | None) -> None:
        """Choose the tenant that refreshed tokens are for."""
        await db.exec(update(UserSession).where(col(UserSession.id) == session_id).values(acting_tenant_id=tenant_id))

    async def prune(self) -> int:
        """Delete sessions that ended a month ago or earlier, with their refresh tokens; the number of sessions."""
        async with self._database.system("prune sessions", self._runtime) as db:
            gone = await db.exec(delete(UserSession).where(col(UserSession.expires_at) < utcnow() - _KEPT))
            return gone.rowcount

    async def revoke(self, db: AsyncSession, ids: Sequence[UUID], because: str) -> int:
        """End these sessions: their refresh tokens at once, their access tokens within `CACHE_SECONDS`."""
        open_ones = col(UserSession.id).in_(ids), col(UserSession.revoked_at).is_(None)
        users = Counter((await db.exec(select(UserSession.user_id).where(*open_ones))).all())
        ended = await db.exec(
            update(UserSession).where(*open_ones).values(revoked_at=utcnow(), revoked_because=because)
        )
        for session_id in ids:
            # Before the commit: a look-up meanwhile must not find it alive.
            self._live[session_id] = (time.monotonic(), None)
        for user_id, count in users.items():
            what: Happening = "signed_out" if because.startswith("signed out") else "sessions_ended"
            await note(db, what, user_id, because=because, sessions=count)
        return ended.rowcount

    async def revoke_all(self, db: AsyncSession, user_id: UUID, because: str, *, but: UUID | None = None) -> int:
        """End all sessions of a user, except perhaps one."""
        return await self.revoke(db, [s.id for s in await self.of_user(db, user_id) if s.id != but], because)

    async def revoke_bound(self, db: AsyncSession, tenant_id: UUID, user_ids: Sequence[UUID], because: str) -> int:
        """End the sessions of these users that the tenant's own identity provider has vouched for."""
        found = select(UserSession.id).where(
            col(UserSession.user_id).in_(user_ids),
            col(UserSession.acting_tenant_id) == tenant_id,
            col(UserSession.bound).is_(True),
            col(UserSession.revoked_at).is_(None),
        )
        return await self.revoke(db, list(await db.exec(found)), because)

    async def of_user(self, db: AsyncSession, user_id: UUID) -> list[UserSession]:
        """The user's sessions that have not ended, the last used one first."""
        now = utcnow()
        query = (
            select(UserSession)
            .where(
                col(UserSession.user_id) == user_id,
                col(UserSession.revoked_at).is_(None),
                col(UserSession.expires_at) > now,
                col(UserSession.idle_at) > now,
            )
            .order_by(col(UserSession.last_used_at).desc(), col(UserSession.id))
        )
        return list((await db.exec(query)).all())

    async def live(self, session_id: UUID, user_id: UUID) -> LiveSession | None:
        """The session, if it is this user's and has not ended."""
        known = self._live.get(session_id)
        if known is None or time.monotonic() - known[0] >= CACHE_SECONDS:
            generation = self._generation
            known = (time.monotonic(), await self._look(session_id))
            if len(self._live) >= _REMEMBERED:
                self._live.clear()
            if generation == self._generation:
                # What was read before a change may arrive after it.
                self._live[session_id] = known
        return known[1] if known[1] is not None and known[1].user_id == user_id else None

    def invalidate(self) -> None:
        """Read everything anew: a session has ended, perhaps in another process."""
        self._generation += 1
        self._live.clear()

    async def _look(self, session_id: UUID) -> LiveSession | None:
        async with self._database.system("session", self._runtime, read_only=True) as db:
            session = await db.get(UserSession, session_id)
        if session is None or session.revoked_at is not None or session.expires_at <= utcnow():
            return None
        return LiveSession(session.user_id, session.created_at, session.second_factor)
