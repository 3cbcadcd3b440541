"""The engine: its parts put together, and the handles that applications and tests have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from . import cron, intake, runs
from .clock import Clock, MovableClock, RealClock
from .core import Core, Options
from .dispatch import Dispatcher
from .errors import EngineError
from .events import build_events, parse_events
from .execution import Executor
from .models import CallRecord, Event
from .retention import Retention
from .signing import check_key
from .store import Tx, maintenance, open_database, pauses
from .store import events as event_rows
from .store import queue as queue_rows
from .transport import PooledClient
from .web.app import build_app

_GRACE_SECONDS = 10.0
_STEP_LIMIT = 1_000_000


class Engine:
    """An Inngest-compatible engine in this process.

    Serve `asgi` under HTTP and give its address to the Inngest SDK as `api_base_url` and `event_api_base_url`.

    Args:
        store: a file, or `:memory:`. One engine at a time uses a file.
        clock: real time by default; `movable_clock()` for tests.
        event_keys: the keys that may send events; none: any.
        signing_key: signs the calls to apps and guards the API; none: nothing is signed (development).
        app_urls: addresses of apps that are asked to register when the engine starts.
        retry_interval: seconds between attempts, instead of the protocol's growing intervals; for tests.

    Raises:
        ValueError: the signing key is not hexadecimal.
    """

    def __init__(
        self,
        *,
        store: str | Path = ":memory:",
        clock: Clock | None = None,
        event_keys: Iterable[str] = (),
        signing_key: str | None = None,
        app_urls: Sequence[str] = (),
        retry_interval: float | None = None,
    ) -> None:
        if signing_key is not None:
            check_key(signing_key)
        interval = None if retry_interval is None else max(1, int(retry_interval * 1000))
        self.clock: Clock = clock or RealClock()
        self.core = Core(
            open_database(str(store)), self.clock, Options(retry_interval_ms=interval, signing_key=signing_key)
        )
        self.event_keys = frozenset(event_keys)
        self._client = PooledClient()
        self._executor = Executor(self.core, self._client)
        self._dispatcher = Dispatcher(self.core, self._executor.perform)
        self._retention = Retention(self.core)
        self._app_urls = tuple(app_urls)
        self._asking: asyncio.Task[None] | None = None
        self.core.front = self._dispatcher
        self.core.emit = self._emit
        if isinstance(self.clock, MovableClock):
            self.clock.on_move = self._dispatcher.schedule
        self.asgi: ASGIApp = build_app(self)

    @staticmethod
    def movable_clock() -> MovableClock:
        """A clock for tests: real time that `advance` can move forward."""
        return MovableClock()

    async def start(self) -> None:
        """Open the store and go on with what it holds."""
        core = self.core
        core.db.open()
        core.item_ids.last = queue_rows.last_id(core.db)
        core.pause_ids.last = pauses.last_id(core.db)
        core.awaited_events = pauses.event_names(core.db)
        core.registry.load(core.db)
        await core.db.write(lambda tx: cron.plan(core, tx, core.registry))
        self._dispatcher.start()
        self._retention.start()
        if self._app_urls:
            self._asking = asyncio.create_task(self._ask_apps(), name="ask apps to register")

    async def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """Hand out nothing more, wait up to `grace` seconds for calls under way, close the store."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._retention.stop()
        await self._dispatcher.stop(grace)
        self.core.changes.close()
        await self._client.aclose()
        await self.core.db.close()

    # -- what comes in ------------------------------------------------------------------------------------------

    async def send(self, body: bytes, *, seed: str | None = None) -> list[str]:
        """Take in a request of the event API, whole or not at all; the ids the engine gave its events.

        Raises:
            EngineError: one of the events breaks a rule.
        """
        raw = parse_events(body)
        events = build_events(raw, now=self.core.now(), ulids=self.core.ulids, seed=seed)
        await self.core.db.write(lambda tx: intake.receive(self.core, tx, events))
        return [event.id for event in events]

    async def cancel(self, run_id: str) -> bool:
        """Stop a run before its next step; False if it is unknown or has ended."""
        return await self.core.db.write(lambda tx: runs.cancel(self.core, tx, run_id))

    def _emit(self, tx: Tx, event: Event) -> None:
        if event_rows.insert(tx, event):
            intake.match(self.core, tx, event)

    # -- for tests and inspection -------------------------------------------------------------------------------

    @property
    def calls(self) -> int:
        """How many calls were made to apps."""
        return self._executor.made

    @property
    def records(self) -> list[CallRecord]:
        """The last calls to apps, oldest first."""
        return list(self._executor.records)

    @property
    def queued(self) -> int:
        """How many items wait, about."""
        return self._dispatcher.queued

    async def run_until_idle(self, timeout: float = 60) -> None:  # noqa: ASYNC109
        """Return when nothing is under way and nothing more is due.

        Raises:
            TimeoutError: that took longer than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._dispatcher.until_quiet()

    async def advance(self, delta: timedelta) -> None:
        """Let time pass: what falls due meanwhile happens in order, each at its own time.

        Raises:
            EngineError: the clock is not one that tests can move.
        """
        if not isinstance(self.clock, MovableClock):
            raise EngineError("this engine's clock is real; make it with clock=Engine.movable_clock()")
        target = self.clock.now_ms() + delta // timedelta(milliseconds=1)
        self.clock.freeze_at(self.clock.now_ms())
        try:
            for _ in range(_STEP_LIMIT):
                await self._dispatcher.until_quiet()
                due = self._dispatcher.next_due()
                if due is None or due > target:
                    break
                self.clock.freeze_at(max(due, self.clock.now_ms()))
            self.clock.freeze_at(target)
            await self._dispatcher.until_quiet()
        finally:
            self.clock.resume()

    async def forget(self) -> None:
        """Lose all events, runs and pending work, as a killed server without a database does. Functions stay."""
        core = self.core
        await core.db.write(maintenance.forget)
        core.awaited_events.clear()
        await core.db.write(lambda tx: cron.plan(core, tx, core.registry))
        self._dispatcher.reload()

    # -- apps ---------------------------------------------------------------------------------------------------

    async def _ask_apps(self) -> None:
        """Ask each app to register, until it has."""
        async with httpx2.AsyncClient(timeout=10) as http:
            await asyncio.gather(*(self._ask(http, url) for url in self._app_urls))

    async def _ask(self, http: httpx2.AsyncClient, url: str) -> None:
        delay = 0.2
        while True:
            try:
                if (await http.put(url, json={"url": url})).status_code < 300:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)
