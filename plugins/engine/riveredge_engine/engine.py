"""The engine: its parts put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType

from starlette.types import ASGIApp

from . import cron, intake, runs
from .clock import Clock, MovableClock, RealClock
from .connect import Gateway
from .core import Core, Options
from .dispatch import Dispatcher
from .events import build_events, parse_events
from .execution import Executor
from .faults import Faults
from .models import CallRecord
from .registration import Discovery
from .registry import Registry
from .retention import Keep, Retention
from .signing import check_key
from .store import cancellations as cancellation_rows
from .store import maintenance, open_database
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .transport import PooledClient
from .web import create_app
from .web.state import WebState

log = logging.getLogger(__name__)

_GRACE_SECONDS = 10.0


class Engine:
    """An Inngest-compatible engine for one node.

    Start and stop it in one event loop and serve `asgi` in the same loop. Everything it has acknowledged is in `store`.

    Args:
        store: a file, ":memory:" for a state that ends with the process, or a `postgresql://` URL.
        clock: where time comes from; a `MovableClock` or `ManualClock` makes `advance` possible.
        event_keys: keys that may send events; none, and no signing key: every key may (for development).
        signing_key: the key shared with the apps; None: nothing is signed or checked (for development).
        app_urls: addresses of apps that are asked for their functions, so that they need not register.
        retry_interval: seconds between the attempts of a failed call; None: the protocol's table (15 s and more).
        keep: how long ended runs are kept, and how many.

    Raises:
        ValueError: the signing key is not hexadecimal or stands alone, or there is no store of this kind.
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
        keep: Keep | None = None,
    ) -> None:
        if signing_key is not None:
            check_key(signing_key)
            if not event_keys:
                raise ValueError("with a signing key there has to be an event key, or anybody could send events")
        self.clock: Clock = clock or RealClock()
        options = Options(retry_interval_ms=_milliseconds(retry_interval), signing_key=signing_key)
        self.core = Core(db=open_database(str(store)), clock=self.clock, options=options)
        self.gateway = Gateway(self.core, PooledClient())
        self.faults = Faults(self.gateway)
        self._executor = Executor(self.core, self.faults, self.gateway.reaches)
        self.gateway.on_place = self._executor.resume
        self.core.on_registered = self._executor.resume_all
        self._dispatcher = Dispatcher(self.core, self._executor.perform)
        self.core.front = self._dispatcher
        self.core.emit = partial(intake.emit, self.core)
        self._discovery = Discovery(self.core, self.faults, app_urls)
        self._retention = Retention(self.core, keep or Keep())
        self._state = WebState(self, frozenset(event_keys))
        self._moving = asyncio.Lock()
        self._restarting: asyncio.Task[None] | None = None
        self.asgi: ASGIApp = create_app(self._state)

    async def start(self) -> None:
        """Open the store and go on where the last process ended. Raises RuntimeError if the store is in use."""
        core = self.core
        core.db.open()
        self._load()
        if isinstance(self.clock, MovableClock):
            self.clock.on_move = self._dispatcher.schedule
        self.core.db.on_reopened = self._restart_soon
        self._dispatcher.start()
        await core.db.write(lambda tx: cron.plan(core, tx, core.registry))
        self._state.open = True
        self._discovery.start()
        self._retention.start()

    def _load(self) -> None:
        """Take over what the store knows."""
        core = self.core
        core.registry = Registry()
        core.registry.load(core.db)
        core.item_ids.last = queue_rows.last_id(core.db)
        core.pause_ids.last = pause_rows.last_id(core.db)
        core.awaited_events = pause_rows.event_names(core.db)
        core.cancelling_until = cancellation_rows.until_at_most(core.db)

    async def stop(self) -> None:
        """Take nothing more in, let calls under way end (for up to ten seconds), and close the store.

        A call that did not end is made again after the next start.
        """
        if not self._state.open:
            return
        self._state.open = False
        self.core.db.on_reopened = None
        if self._restarting is not None:
            await asyncio.gather(self._restarting, return_exceptions=True)
        await self._retention.stop()
        await self._discovery.stop()
        self.gateway.let_go()
        await self._dispatcher.stop(_GRACE_SECONDS)
        self.core.changes.close()
        await self.faults.aclose()
        await self.core.db.close()
        if isinstance(self.clock, MovableClock):
            self.clock.on_move = None

    @staticmethod
    def movable_clock() -> MovableClock:
        """A clock for tests: real time that `advance` can move forward."""
        return MovableClock()

    async def send(self, body: bytes, *, seed: str | None = None) -> list[str]:
        """Take in a request of the event API, whole or not at all; the ids the engine gave its events.

        Raises EngineError if one of the events breaks a rule.
        """
        core = self.core
        events = build_events(parse_events(body), now=core.now(), ulids=core.ulids, seed=seed)
        await core.db.write(lambda tx: intake.receive(core, tx, events))
        return [event.id for event in events]

    async def cancel(self, run_id: str) -> bool:
        """Stop a run before its next step; False if it is unknown or has ended."""
        return await self.core.db.write(lambda tx: runs.cancel(self.core, tx, run_id))

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
    def answers(self) -> Counter[int]:
        """How many of them got an answer with each status; 0 counts those without one."""
        return self._executor.answers

    @property
    def delay(self) -> tuple[float, int]:
        """The seconds between the due times and the beginnings of all calls together, and how many have begun."""
        return self._dispatcher.delayed_ms / 1000, self._dispatcher.begun

    @property
    def queued(self) -> int:
        """How many items wait, about."""
        return self._dispatcher.queued + self._executor.parked

    @property
    def under_way(self) -> int:
        """How many calls to apps have not been answered yet."""
        return self._dispatcher.calls_under_way

    @property
    def records(self) -> list[CallRecord]:
        """The last ten thousand calls to apps, oldest first."""
        return list(self._executor.records)

    async def run_until_idle(self, timeout: float = 60) -> None:  # noqa: ASYNC109 - part of the testing kit's contract
        """Return when nothing is left that can run now. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            await self._dispatcher.until_quiet()

    @property
    def next_due(self) -> datetime | None:
        """When the next queued item is due; None if nothing is queued."""
        due = self._dispatcher.next_due()
        return None if due is None else datetime.fromtimestamp(due / 1000, UTC)

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

    async def crash(self) -> None:
        """Die as by SIGKILL and start again: calls under way are cut off, what was stored goes on."""
        await self._dispatcher.cut_off()
        self._executor.forget()
        self._load()
        self._dispatcher.reload()

    def _restart_soon(self) -> None:
        self._restarting = asyncio.get_running_loop().create_task(self.crash())

    async def forget(self) -> None:
        """Lose all events and runs, as a killed server without a durable queue does. Functions stay registered."""
        core = self.core
        await core.db.write(maintenance.forget)
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
