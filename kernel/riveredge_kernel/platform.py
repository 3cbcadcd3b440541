"""The assembled platform: its parts, and what happens when it starts and stops."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI

from riveredge_kernel.auth.assembly import AuthParts
from riveredge_kernel.db.database import Database
from riveredge_kernel.events.relay import EventRelay
from riveredge_kernel.functions.host import FunctionHost
from riveredge_kernel.monitoring import Monitoring
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.settings import Settings
from riveredge_kernel.stream.service import LiveStream
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.provisioning import Provisioning
from riveredge_kernel.timers.tick import Tick
from riveredge_kernel.timers.watchdog import Watchdog
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.plugin import Plugin

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Platform:
    """One platform in one process.

    `engine` is the embedded one, if this process runs it. It listens at `address`, and for operators at `ops_address`.
    `draining` is set when the process is about to stop.
    """

    settings: Settings
    runtime: KernelRuntime
    plugins: PluginHost
    database: Database
    tenants: TenantDirectory
    functions: FunctionHost
    relay: EventRelay
    tick: Tick
    watchdog: Watchdog
    stream: LiveStream
    auth: AuthParts
    provisioning: Provisioning
    tracing: "Tracing | None" = None
    app: FastAPI = field(init=False)
    monitoring: Monitoring = field(init=False)
    draining: bool = field(default=False, init=False)
    engine: Any = None
    address: str = field(default="", init=False)
    ops_address: str | None = field(default=None, init=False)
    _syncing: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def base_url(self) -> str:
        """Where people reach it."""
        return self.settings.base_url

    async def start(self) -> None:
        """Check the database role, let the plugins start, open the doorway to Inngest, register the functions."""
        await self.database.check_role()
        with use_context(Context(runtime=self.runtime)):
            await self.plugins.call(Plugin.startup)
        await self.relay.start()
        await self.watchdog.start()
        await self.stream.start()
        # Registering needs the app to answer, which it does only after start-up.
        self._syncing = asyncio.create_task(self.functions.sync(), name="register functions")
        log.info("platform_started", plugins=[p.id for p in self.plugins.active], database=self.database.kind)

    async def drain(self, seconds: float) -> None:
        """The process is about to stop: load balancers learn of it, and streams go elsewhere within that time."""
        self.draining = True
        await asyncio.gather(self.stream.hub.drain(seconds * 0.8), asyncio.sleep(seconds))

    async def stop(self) -> None:
        """The reverse, each part whatever happened to the one before."""
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.gather(self._syncing, return_exceptions=True)
        await self.watchdog.stop()
        await self.stream.stop()
        await self.relay.stop()
        await self.functions.close()
        with use_context(Context(runtime=self.runtime)):
            await self.plugins.call(Plugin.shutdown)
        await self.database.dispose()
        if self.tracing is not None:
            await self.tracing.close()
        log.info("platform_stopped")
