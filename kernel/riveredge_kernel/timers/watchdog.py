"""Sees that the tick goes on, from every process: a nudge for Inngest, not a second scheduler.

A server that lost its memory has forgotten its crons until the functions are registered again; one that was away has no
missed minutes to make up for. Claiming stays the business of the tick, which runs in Inngest.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from riveredge_kernel.db.database import Database
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.timers.models import Heartbeat
from riveredge_kernel.timers.tick import BEAT, Tick, beat_age
from riveredge_sdk.contributions import Health

log = structlog.get_logger(__name__)

NUDGE_AFTER = timedelta(seconds=90)
# Of all processes, one asks, and not more often than this.
ASK_EVERY = timedelta(seconds=60)
DEGRADED_AFTER = 180.0


class Watchdog:
    """`start` and `stop` with the platform.

    Args:
        nudge: asks Inngest for a tick at once and registers the functions anew.
        every: seconds between two looks; None: it does not look.
    """

    def __init__(
        self,
        database: Database,
        runtime: KernelRuntime,
        tick: Tick,
        nudge: Callable[[], Awaitable[None]],
        *,
        every: float | None,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._clock = runtime.clock
        self._tick = tick
        self._nudge = nudge
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        if self._every is not None:
            self._task = asyncio.create_task(self._run(self._every), name="tick watchdog")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await self._expect()
                if await self.is_to_ask():
                    log.warning("tick_is_late", action="asking for a tick and registering the functions")
                    await self._nudge()
            except (SQLAlchemyError, OSError) as error:
                log.warning("watchdog_database_error", error=f"{type(error).__name__}: {error}"[:300])

    async def _expect(self) -> None:
        """From now on a tick is expected, also where there never was one."""
        async with self._database.system("timers", self._runtime) as session:
            if (await session.exec(select(Heartbeat.id).where(col(Heartbeat.name) == BEAT))).first() is None:
                session.add(Heartbeat(name=BEAT, beat_at=await self._clock.database_now(session)))

    async def is_to_ask(self) -> bool:
        """Whether the tick is late, and this process the one to ask for it."""
        async with self._database.system("timers", self._runtime) as session:
            now = await self._clock.database_now(session)
            asked = or_(col(Heartbeat.asked_at).is_(None), col(Heartbeat.asked_at) < now - ASK_EVERY)
            late = (col(Heartbeat.name) == BEAT, col(Heartbeat.beat_at) < now - NUDGE_AFTER)
            return (await session.exec(update(Heartbeat).where(*late, asked).values(asked_at=now))).rowcount > 0

    async def health(self) -> Health:
        """Whether the tick is at work, and what waits for it."""
        age = await beat_age(self._database, self._runtime)
        waiting = await self._tick.waiting()
        values: dict[str, float] = {f"{name}_overdue": found.overdue for name, found in waiting.items()}
        if self._tick.failures:
            return Health("degraded", "; ".join(f"{name}: {why}" for name, why in self._tick.failures.items()), values)
        if age is None or self._every is None:
            return Health("ok", "", values)
        values["last_tick_seconds"] = round(age, 3)
        if age > DEGRADED_AFTER:
            return Health("degraded", f"no tick for {age:.0f} s: what is due later than that waits", values)
        return Health("ok", "", values)
