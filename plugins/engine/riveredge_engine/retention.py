"""Forgets what has aged, a little at a time, so that the store does not grow for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from .core import Core
from .durations import DAY
from .store import flow, maintenance

log = logging.getLogger(__name__)

# Longer than the day for which ids of events count as seen.
KEEP_MS = 7 * DAY
_EVERY_SECONDS = 300.0
_PAUSE_SECONDS = 0.05
_PAGES = 1000


class Retention:
    """Runs in the background of an engine."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.sweep()
            except Exception:
                log.exception("old rows could not be removed")

    async def sweep(self) -> int:
        """Remove what is old; how many runs and events."""
        core, removed = self._core, 0
        before = core.now() - KEEP_MS
        await core.db.write(lambda tx: flow.expire(tx, core.now()))
        for drop in (maintenance.drop_ended_runs, maintenance.drop_old_events):
            while count := await core.db.write(lambda tx, drop=drop: drop(tx, before)):  # type: ignore[misc]
                removed += count
                await asyncio.sleep(_PAUSE_SECONDS)
        core.db.compact(_PAGES)
        return removed
