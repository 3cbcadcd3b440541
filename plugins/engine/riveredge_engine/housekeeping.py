"""Retention: ended runs and events that nobody needs any more are deleted in small portions."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from .core import Core
from .durations import DAY
from .store import Tx
from .store import flow as flow_rows
from .store import retention as rows

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 60.0
_PORTION = 500
_PAGES = 256


@dataclass(frozen=True, slots=True)
class Retention:
    """How long ended runs and their events are kept, and at most how many of them."""

    age: timedelta = timedelta(days=30)
    runs: int = 500_000


class Housekeeping:
    """Cleans up once a minute; each portion is a transition of its own, so that nothing waits for long."""

    def __init__(self, core: Core, retention: Retention) -> None:
        self._core = core
        self._retention = retention
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            try:
                await self.clean()
            except Exception:
                log.exception("housekeeping failed; it is tried again in a minute")

    async def clean(self) -> None:
        """Delete everything that is due for it, and give the space back."""
        db = self._core.db
        deleted = 0
        while portion := await db.write(self._delete):
            deleted += portion
            await asyncio.sleep(0)
        if deleted:
            db.compact(_PAGES)

    def _delete(self, tx: Tx) -> int:
        now = self._core.now()
        oldest = now - int(self._retention.age.total_seconds() * 1000)
        flow_rows.expire(tx, now)
        runs = rows.delete_runs(tx, ended_before=oldest, keep=self._retention.runs, at_most=_PORTION)
        # A day longer than their runs: an event is what a repeated one is recognised by.
        return runs + rows.delete_events(tx, received_before=oldest - DAY, at_most=_PORTION)
