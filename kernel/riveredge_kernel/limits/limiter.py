"""Counts in the database, so that a limit is one limit for all processes. Implements `riveredge_sdk.limits`."""

import hashlib
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.models import LimitCounter
from riveredge_sdk.limits import Limit
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.problems import TooManyRequests
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import current_unit_of_work, session


def _hashed(limit: Limit, key: str) -> str:
    return hashlib.sha256(f"{limit.name}\n{key}".encode()).hexdigest()


def too_many(limit: Limit, until: datetime) -> TooManyRequests:
    """The problem, with the time to wait."""
    seconds = max(1, int((until - utcnow()).total_seconds()) + 1)
    return TooManyRequests(f"{limit.reason} Try again in {_spoken(seconds)}.", headers={"Retry-After": str(seconds)})


def _spoken(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"


class Limiter:
    """The counters."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime

    async def hit(self, limit: Limit, key: str) -> None:
        """See `riveredge_sdk.limits.RateLimiter`."""
        ((hits, until),) = await self.count((limit, key))
        if hits > limit.hits:
            raise too_many(limit, until)

    async def check(self, limit: Limit, key: str) -> None:
        """Raise `TooManyRequests` if the limit is reached, without counting."""
        found = await self.reached((limit, key))
        if found is not None:
            raise too_many(*found)

    async def reached(self, *counts: tuple[Limit, str]) -> tuple[Limit, datetime] | None:
        """The first of the limits that is reached for its key, and until when; nothing is counted."""
        limits = {_hashed(limit, key): limit for limit, key in counts}
        query = select(LimitCounter.key_hash, LimitCounter.hits, LimitCounter.ends_at)
        async with self._database.system("limits", self._runtime, read_only=True) as db:
            rows = (await db.exec(query.where(col(LimitCounter.key_hash).in_(limits)))).all()
        now = utcnow()
        ends = {digest: end for digest, hits, end in rows if hits >= limits[digest].hits and end > now}
        return next(((limit, ends[digest]) for digest, limit in limits.items() if digest in ends), None)

    async def count(self, *counts: tuple[Limit, str], within: AsyncSession | None = None) -> list[tuple[int, datetime]]:
        """Count one for each, in one transaction; how many there are now, and when that is forgotten.

        Args:
            within: the transaction; by default one of its own. Whoever counts several names them in the same order.
        """
        async with nullcontext(within) if within is not None else self._transaction() as db:
            return [(await db.exec(self._counted(limit, key))).one() for limit, key in counts]

    def _counted(self, limit: Limit, key: str) -> Any:
        now = utcnow()
        end = now + timedelta(seconds=limit.seconds)
        insert: Any = postgresql.insert if self._database.kind == "postgresql" else sqlite.insert
        over = col(LimitCounter.ends_at) <= now
        statement = insert(LimitCounter).values(
            id=uuid7(), created_at=now, updated_at=now, version=1, key_hash=_hashed(limit, key), hits=1, ends_at=end
        )
        return statement.on_conflict_do_update(
            index_elements=["key_hash"],
            set_={
                "updated_at": now,
                "hits": case((over, 1), else_=col(LimitCounter.hits) + 1),
                # The hit that reaches the limit begins the wait.
                "ends_at": case((over | (col(LimitCounter.hits) + 1 == limit.hits), end), else_=LimitCounter.ends_at),
            },
        ).returning(col(LimitCounter.hits), col(LimitCounter.ends_at))

    async def add(self, key: str, amount: int, ends_at: datetime) -> int:
        """Count several of one window in a transaction of its own; how many there are now."""
        now = utcnow()
        insert: Any = postgresql.insert if self._database.kind == "postgresql" else sqlite.insert
        digest = hashlib.sha256(key.encode()).hexdigest()
        statement = insert(LimitCounter).values(
            id=uuid7(), created_at=now, updated_at=now, version=1, key_hash=digest, hits=amount, ends_at=ends_at
        )
        more = {"updated_at": now, "hits": col(LimitCounter.hits) + amount}
        counted = statement.on_conflict_do_update(index_elements=["key_hash"], set_=more).returning(
            col(LimitCounter.hits)
        )
        async with self._database.system("limits", self._runtime) as db:
            hits: int = (await db.exec(counted)).one()[0]
        return hits

    async def forget(self, limit: Limit, *keys: str) -> None:
        """Begin anew for these keys."""
        named = col(LimitCounter.key_hash).in_([_hashed(limit, key) for key in keys])
        # Mostly there is nothing to forget, and nobody has to wait for a writer's turn for that.
        async with self._database.system("limits", self._runtime, read_only=True) as db:
            if (await db.exec(select(LimitCounter.id).where(named).limit(1))).first() is None:
                return
        async with self._database.system("limits", self._runtime) as db:
            await db.exec(delete(LimitCounter).where(named))

    async def prune(self) -> int:
        """Delete the counters of windows that are over; their number."""
        async with self._database.system("limits", self._runtime) as db:
            return (await db.exec(delete(LimitCounter).where(col(LimitCounter.ends_at) < utcnow()))).rowcount

    def _transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One of its own; on SQLite the running one, if that may hold the only writer's lock already."""
        if self._database.kind == "sqlite" and current_unit_of_work.get() is not None and session().in_transaction():
            return nullcontext(session())
        return self._database.system("limits", self._runtime)
