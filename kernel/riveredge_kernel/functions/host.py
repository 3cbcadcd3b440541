"""The functions of all plugins behind one endpoint, and their registration with Inngest."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import inngest
import inngest.fast_api
import structlog
from fastapi import FastAPI

from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions import door
from riveredge_kernel.functions.client import PATH, EventSender, make_client
from riveredge_kernel.functions.engine_api import EngineApi
from riveredge_kernel.functions.mirror import RunMirror
from riveredge_kernel.functions.requests import RUN_REQUESTED
from riveredge_kernel.functions.wrap import Surroundings, Wrapped, build, inngest_id, mirroring
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.timers.functions import TICK_REQUESTED
from riveredge_kernel.timers.service import TimerService
from riveredge_sdk.contributions import Health
from riveredge_sdk.functions import FunctionSpec
from riveredge_sdk.models import uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.runtime import Runtime

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)

_FIRST_RETRY = 0.1
_MAX_RETRY = 30.0


class FunctionHost:
    """Serves and registers functions. `mount` after the plugins are loaded, `sync` when the app answers."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        tenants: TenantDirectory,
        plugins: PluginHost,
        timers: TimerService,
        *,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._settings = settings
        self._plugins = plugins
        self._runtime = runtime
        self.mirror = RunMirror(timers, tracing)
        self._around = Surroundings(runtime, tenants, plugins, self.mirror, tracing)
        self._by_id: dict[str, Wrapped] = {}
        self._expected: Mapping[str, frozenset[str]] = {}
        self._triggers: frozenset[str] = frozenset()
        self._client = make_client(settings, mirroring(self))
        self.sender = EventSender(self._client)
        self.api = EngineApi(settings.inngest)
        own = door.words(settings.inngest)
        self._headers = {door.HEADER: own[0]} if own else {}
        self.registered = asyncio.Event()
        self._state = Health("degraded", "the functions are not registered yet")

    def full_id(self, spec_id: str) -> str:
        """A function's id in Inngest's events: the app's id and its own."""
        return f"{self._settings.inngest.app_id}-{inngest_id(spec_id)}"

    def spec(self, spec_id: str) -> FunctionSpec[Any] | None:
        """A function by its own id."""
        found = self._by_id.get(inngest_id(spec_id))
        return found.spec if found is not None and found.spec.id == spec_id else None

    async def close(self) -> None:
        """Close the connections to Inngest."""
        await self.sender.close()
        await self.api.close()

    def find(self, local_id: str) -> Wrapped | None:
        """The function that Inngest knows under this id within the app."""
        return self._by_id.get(local_id)

    def find_by_inngest_id(self, full_id: str) -> Wrapped | None:
        """The function that Inngest's events name."""
        return self._by_id.get(full_id.removeprefix(f"{self._settings.inngest.app_id}-"))

    def is_consumed(self, event: str) -> bool:
        """Whether an event of this name is sure to start a function."""
        return event == RUN_REQUESTED or event in self._expected

    def is_trigger(self, event: str) -> bool:
        """Whether an event of this name may start a function."""
        return event == RUN_REQUESTED or event in self._triggers

    def patience(self, event: str) -> timedelta:
        """How long an event of this name may lie in a batch before it starts anything."""
        specs = [wrapped.spec for wrapped in self._by_id.values()]
        waits = [_timeout(spec.batch) for spec in specs if spec.batch and event in {e.name for e in spec.events}]
        return max(waits, default=timedelta(0))

    def mount(self, app: FastAPI) -> None:
        """Wrap the plugins' functions and add the endpoint that Inngest calls."""
        contributed = self._plugins.collect(Plugin.functions)
        self._expected = _expected(c.item for c in contributed)
        self._triggers = frozenset(event.name for c in contributed for event in c.item.events)
        for c in contributed:
            wrapped = Wrapped(c.item, c.plugin_id, self._expected, self._around)
            self._by_id[inngest_id(c.item.id)] = wrapped
        functions = [build(self._client, wrapped) for wrapped in self._by_id.values()]
        inngest.fast_api.serve(
            app, self._client, functions, serve_origin=self._settings.inngest.serve_origin or self._settings.base_url
        )
        for route in app.router.routes:
            if getattr(route, "path", "") == PATH:
                route.include_in_schema = False  # type: ignore[attr-defined]

    async def sync(self) -> None:
        """Register the functions, and go on trying until it has worked."""
        delay = _FIRST_RETRY
        async with httpx2.AsyncClient(timeout=30) as http:
            while True:
                reason = await self._register(http)
                if reason is None:
                    return
                log.log(30 if delay > 1 else 10, "functions_not_registered", reason=reason)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_RETRY)

    async def _register(self, http: httpx2.AsyncClient) -> str | None:
        """Try once; why Inngest has not taken the functions, or None."""
        origin = self._settings.inngest.serve_origin or self._settings.base_url
        try:
            answer = await http.put(origin + PATH, headers=self._headers)
            if answer.status_code < 300:
                self._state = Health("ok", f"{len(self._by_id)} functions")
                self.registered.set()
                log.info("functions_registered", count=len(self._by_id))
                return None
            reason = f"{answer.status_code}: {answer.text[:200]}"
        except httpx2.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
        self._state = Health("degraded", f"Inngest has not taken the functions: {reason}")
        return reason

    async def nudge(self) -> None:
        """Ask for a tick and register the functions: what a server that has forgotten its crons needs.

        The event is not worth an outbox row: if Inngest is away, the next look sends another.
        """
        now = self._runtime.now()
        row = OutboxEvent(id=uuid7(), name=TICK_REQUESTED.name, data={}, created_at=now, next_attempt_at=now)
        with contextlib.suppress(Exception):
            await self.sender.send_events([row])
        async with httpx2.AsyncClient(timeout=30) as http:
            await self._register(http)

    async def health(self) -> Health:
        """Whether Inngest knows the functions."""
        return self._state


def _timeout(batch: inngest.Batch) -> timedelta:
    if isinstance(batch.timeout, timedelta):
        return batch.timeout
    return timedelta(milliseconds=batch.timeout or 0)


def _expected(specs: Iterable[FunctionSpec[Any]]) -> dict[str, frozenset[str]]:
    """By event name, the functions that start whatever the event holds."""
    found: dict[str, set[str]] = {}
    for spec in specs:
        # Limits and conditions may keep a run from starting; then it cannot be waited for.
        if not (spec.condition or spec.rate_limit or spec.debounce or spec.singleton or spec.idempotency):
            for event in spec.events:
                found.setdefault(event.name, set()).add(spec.id)
    return {name: frozenset(functions) for name, functions in found.items()}
