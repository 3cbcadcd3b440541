"""Forgets what has aged, a little at a time, so that the store does not grow for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from .core import Core
from .durations import DAY
from .store import Tx, cancellations, flow, maintenance

log = logging.getLogger(__name__)

_EVERY_SECONDS = 300.0
_PAUSE_SECONDS = 0.05
_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Keep:
    """How long ended runs and their events are kept, and at most how many ended runs."""

    age: timedelta = timedelta(days=7)
    runs: int = 500_000


class Retention:
    """Runs in the background of an engine."""

    def __init__(self, core: Core, keep: Keep) -> None:
        self._core = core
        self._keep = keep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.sweep()
            except Exception:
                log.exception("old rows could not be removed")

    async def sweep(self) -> int:
        """Remove what is old or too much; how many runs and events."""
        core = self._core
        before = core.now() - int(self._keep.age.total_seconds() * 1000)
        await core.db.write(lambda tx: flow.expire(tx, core.now()))
        await core.db.write(lambda tx: cancellations.drop_old(tx, before))
        removed = await self._repeat(lambda tx: maintenance.drop_ended_runs(tx, before))
        removed += await self._repeat(lambda tx: maintenance.drop_surplus_runs(tx, self._keep.runs))
        # A day longer than their runs: an event's id is how a repeated request is recognised.
        removed += await self._repeat(lambda tx: maintenance.drop_old_events(tx, before - DAY))
        if removed:
            core.db.compact(_PAGES)
        return removed

    async def _repeat(self, drop: Callable[[Tx], int]) -> int:
        removed = 0
        while count := await self._core.db.write(drop):
            removed += count
            await asyncio.sleep(_PAUSE_SECONDS)
        return removed
