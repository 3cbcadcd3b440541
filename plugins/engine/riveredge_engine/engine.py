"""The engine: its parts put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType

from starlette.types import ASGIApp

from . import cron, intake
from .clock import Clock, MovableClock, RealClock
from .core import Core, Options
from .dispatch import Dispatcher
from .execution import Executor
from .faults import Faults
from .housekeeping import Housekeeping, Retention
from .models import CallRecord
from .registration import Discovery
from .signing import check_key
from .store import open_database
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .store.wipe import wipe
from .transport import PooledClient
from .web import create_app
from .web.state import WebState

log = logging.getLogger(__name__)

_GRACE_SECONDS = 10.0


class Engine:
    """An Inngest-compatible engine for one node.

    Start and stop it in one event loop and serve `asgi` in the same loop. Everything it has acknowledged is in `store`.

    Args:
        store: a file, or ":memory:" for a state that ends with the process.
        clock: where time comes from; a `MovableClock` or `ManualClock` makes `advance` possible.
        event_keys: keys that may send events; none: every key may (for development).
        signing_key: the key shared with the apps; None: nothing is signed or checked (for development).
        app_urls: addresses of apps that are asked for their functions, so that they need not register.
        retry_interval: seconds between the attempts of a failed call; None: the protocol's table (15 s and more).
        retention: how long ended runs are kept.

    Raises:
        ValueError: the signing key is not hexadecimal, or there is no store of this kind.
    """

    def __init__(
        self,
        *,
        store: str | Path = ":memory:",
        clock: Clock | None = None,
        event_keys: Sequence[str] = (),
        signing_key: str | None = None,
        app_urls: Sequence[str] = (),
        retry_interval: float | timedelta | None = None,
        retention: Retention | None = None,
    ) -> None:
        if signing_key is not None:
            check_key(signing_key)
        self.clock: Clock = clock or RealClock()
        options = Options(retry_interval_ms=_milliseconds(retry_interval), signing_key=signing_key)
        self._core = Core(db=open_database(str(store)), clock=self.clock, options=options)
        self.faults = Faults(PooledClient())
        self._executor = Executor(self._core, self.faults)
        self._dispatcher = Dispatcher(self._core, self._executor.perform)
        self._core.front = self._dispatcher
        self._core.emit = partial(intake.emit, self._core)
        self._discovery = Discovery(self._core, self.faults, app_urls)
        self._housekeeping = Housekeeping(self._core, retention or Retention())
        self._state = WebState(self._core, self.faults, self._dispatcher, frozenset(event_keys))
        self._moving = asyncio.Lock()
        self.asgi: ASGIApp = create_app(self._state)

    async def start(self) -> None:
        """Open the store and go on where the last process ended. Raises RuntimeError if the store is in use."""
        core = self._core
        core.db.open()
        core.registry.load(core.db)
        core.item_ids.last = queue_rows.last_id(core.db)
        core.pause_ids.last = pause_rows.last_id(core.db)
        core.awaited_events = pause_rows.event_names(core.db)
        if isinstance(self.clock, MovableClock):
            self.clock.on_move = self._dispatcher.schedule
        self._dispatcher.start()
        await core.db.write(lambda tx: cron.plan(core, tx, core.registry))
        self._state.open = True
        self._discovery.start()
        self._housekeeping.start()

    async def stop(self) -> None:
        """Take nothing more in, let calls under way end (for up to ten seconds), and close the store.

        A call that did not end is made again after the next start.
        """
        if not self._state.open:
            return
        self._state.open = False
        await self._housekeeping.stop()
        await self._discovery.stop()
        await self._dispatcher.stop(_GRACE_SECONDS)
        self._core.changes.close()
        await self.faults.aclose()
        await self._core.db.close()
        if isinstance(self.clock, MovableClock):
            self.clock.on_move = None

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def calls(self) -> int:
        """How many requests have been made to apps for runs."""
        return self._executor.made

    @property
    def call_log(self) -> list[CallRecord]:
        """The last ten thousand calls to apps, oldest first."""
        return list(self._executor.records)

    async def run_until_idle(self, timeout: float = 60) -> None:  # noqa: ASYNC109 - part of the testing kit's contract
        """Return when nothing is left that can run now. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            await self._dispatcher.until_quiet()

    async def advance(self, delta: timedelta) -> None:
        """Let time pass: everything that falls due meanwhile happens at its own instant, in order.

        Raises TypeError without a movable clock, ValueError for a negative time.
        """
        clock = self.clock
        if not isinstance(clock, MovableClock):
            raise TypeError("only an engine with a MovableClock or ManualClock can be advanced")
        if delta < timedelta(0):
            raise ValueError("time does not go backwards")
        async with self._moving:
            target = clock.now_ms() + delta // timedelta(milliseconds=1)
            try:
                clock.freeze_at(clock.now_ms())
                await self._dispatcher.until_quiet()
                while (due := self._dispatcher.next_due()) is not None and due <= target:
                    clock.freeze_at(max(due, clock.now_ms()))
                    await self._dispatcher.until_quiet()
                clock.freeze_at(target)
                await self._dispatcher.until_quiet()
            finally:
                clock.resume()

    async def forget(self) -> None:
        """Lose all events and runs, as a killed server without a durable queue does. Functions stay registered."""
        core = self._core
        await core.db.write(wipe)
        core.awaited_events.clear()
        self._dispatcher.reload()
        await core.db.write(lambda tx: cron.plan(core, tx, core.registry))


def _milliseconds(interval: float | timedelta | None) -> int | None:
    if interval is None:
        return None
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    if seconds < 0:
        raise ValueError("the retry interval is negative")
    return int(seconds * 1000)
