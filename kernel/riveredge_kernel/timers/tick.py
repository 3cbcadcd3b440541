"""What a tick does: claim what is due within the horizon, at every source, and mend what got lost on the way."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlmodel import col, select

from riveredge_kernel.db.database import Database
from riveredge_kernel.metrics import FIRE_LATENESS, TIMER_SOURCE_ERRORS, TIMERS_CLAIMED, TIMERS_MENDED
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.timers.models import Heartbeat
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.timers import HORIZON, Chunk, DueRows, Fire, TimerSource, Waiting

log = structlog.get_logger(__name__)

BEAT = "kernel.tick"
BATCH = 1000
# One claimer stops here, and asks for others to help.
MAX_CLAIM = 20_000
# A step answers within this time; the next one goes on.
MAX_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """How many rows a claimer has claimed, and whether there is more."""

    count: int
    more: bool


class Tick:
    """The work of `kernel.tick`, `kernel.tick_shard` and `kernel.fire`."""

    def __init__(self, database: Database, runtime: KernelRuntime, sources: Callable[[], Sequence[DueRows]]) -> None:
        """`sources` is asked when the work begins, because plugins are loaded by then."""
        self._database = database
        self._runtime = runtime
        self._clock = runtime.clock
        self._sources = sources
        # By source and method, what went wrong the last time.
        self.failures: dict[str, str] = {}

    @property
    def sources(self) -> Sequence[DueRows]:
        """All of them, the kernel's own first."""
        return self._sources()

    def context(self, run_id: str | None = None) -> Context:
        """What sources run under."""
        return Context(runtime=self._runtime, system_reason="timers", run_id=run_id)

    async def now(self) -> datetime:
        """The present by the database's clock."""
        async with self._database.system("timers", self._runtime, read_only=True) as session:
            return await self._clock.database_now(session)

    async def beat(self) -> None:
        """Note that the tick is at work."""
        async with self._database.system("timers", self._runtime) as session:
            now = await self._clock.database_now(session)
            found = (await session.exec(select(Heartbeat).where(col(Heartbeat.name) == BEAT).with_for_update())).first()
            if found is None:
                session.add(Heartbeat(name=BEAT, beat_at=now))
            else:
                found.beat_at = now

    async def claim(self, *, limit: int = MAX_CLAIM) -> Claimed:
        """Claim what is due within the horizon, up to about `limit` rows."""
        count, more = 0, False
        deadline = time.monotonic() + MAX_SECONDS
        with use_context(self.context()):
            until = await self.now() + HORIZON
            for source in self.sources:
                while True:
                    if count >= limit or time.monotonic() > deadline:
                        return Claimed(count, more=True)
                    claimed = await self._guarded(source, "claim", source.claim(until, BATCH))
                    TIMERS_CLAIMED.labels(source.id).inc(claimed)
                    count += claimed
                    if claimed < BATCH:
                        break
        return Claimed(count, more)

    async def reconcile(self) -> int:
        """Let every source mend what got lost; how much it was."""
        mended = 0
        with use_context(self.context()):
            now = await self.now()
            for source in self.sources:
                count = await self._guarded(source, "reconcile", source.reconcile(now))
                TIMERS_MENDED.labels(source.id).inc(count)
                mended += count
        return mended

    async def waiting(self) -> dict[str, Waiting]:
        """What each source has in front of it, by its id; a source that fails is left out."""
        found: dict[str, Waiting] = {}
        with use_context(self.context()):
            now = await self.now()
            for source in self.sources:
                try:
                    found[source.id] = await source.waiting(now)
                    self.failures.pop(f"{source.id}.waiting", None)
                except Exception as error:  # noqa: BLE001  (a plugin's code)
                    self._note(source, "waiting", error)
        return found

    async def fire(self, source_id: str, due_at: datetime, fires: Sequence[tuple[UUID, UUID]], run_id: str) -> bool:
        """Let the source execute its fires; False if there is no such source any more."""
        source = next((s for s in self.sources if s.id == source_id), None)
        if not isinstance(source, TimerSource):
            log.warning("fires_without_source", source=source_id, fires=len(fires))
            return False
        FIRE_LATENESS.labels(source_id).observe(max((self._clock.now() - due_at).total_seconds(), 0.0))
        chunk = Chunk(fires=[Fire(tenant_id=tenant, id=row, due_at=due_at) for tenant, row in fires], run_id=run_id)
        with use_context(self.context(run_id)):
            await source.fire(chunk)
        return True

    async def _guarded(self, source: DueRows, what: str, work: Awaitable[int]) -> int:
        """One source's failure must not keep the others' rows from being claimed."""
        try:
            count = await work
        except Exception as error:  # noqa: BLE001  (a plugin's code; the next tick tries again)
            self._note(source, what, error)
            return 0
        self.failures.pop(f"{source.id}.{what}", None)
        return count

    def _note(self, source: DueRows, what: str, error: Exception) -> None:
        reason = self.failures[f"{source.id}.{what}"] = f"{type(error).__name__}: {error}"[:300]
        TIMER_SOURCE_ERRORS.labels(source.id).inc()
        log.error("timer_source_failed", source=source.id, method=what, error=reason)


async def beat_age(database: Database, runtime: KernelRuntime) -> float | None:
    """Seconds since the last tick; None if there never was one."""
    async with database.system("timers", runtime, read_only=True) as session:
        beat_at = (await session.exec(select(Heartbeat.beat_at).where(col(Heartbeat.name) == BEAT))).first()
        now = await runtime.clock.database_now(session)
    return None if beat_at is None else max((now - beat_at).total_seconds(), 0.0)


__all__ = ["BATCH", "BEAT", "MAX_CLAIM", "Claimed", "Tick", "beat_age"]
