"""The live stream of one process, put together."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from cryptography.fernet import MultiFernet
from starlette.routing import BaseRoute

from riveredge_kernel.db.database import Database, Transaction
from riveredge_kernel.db.grants import GrantsChange
from riveredge_kernel.http.gate import Authenticates
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_kernel.stream.door import StreamDoor
from riveredge_kernel.stream.endpoint import StreamEndpoint
from riveredge_kernel.stream.hub import StreamHub
from riveredge_kernel.stream.journal import StreamJournal
from riveredge_kernel.stream.routes import stream_router
from riveredge_kernel.stream.tickets import StreamTickets
from riveredge_kernel.stream.wire import StreamWire
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.context import current_tenant
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec
from riveredge_sdk.http import Router
from riveredge_sdk.runtime import Runtime


class LiveStream:
    """What the platform has of it: routes, a place in each commit, a start and an end."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        database: Database,
        *,
        plugins: PluginHost,
        tenants: TenantDirectory,
        caches: Sequence[Callable[[], None]],
    ) -> None:
        """
        Args:
            caches: called to drop what is cached of people, keys and tenants.
        """
        self._settings = settings
        self._runtime = runtime
        self._database = database
        self._plugins = plugins
        self._tenants = tenants
        self._caches = caches
        retention = timedelta(hours=settings.stream.retention_hours)
        self.journal = StreamJournal(database, runtime, retention=retention)
        self.hub = StreamHub(self.journal, polls=database.kind == "sqlite")
        database.on_grants = self.grants_changed
        self.wire: StreamWire | None = None
        if database.kind == "postgresql":
            url = settings.stream.listen_url or settings.database_url
            self.wire = StreamWire(url, on_channels=self.hub.changed, on_grants=self.grants_changed)

    def open(self, authenticator: Authenticates, vault: MultiFernet) -> tuple[Router, Sequence[BaseRoute]]:
        """The router of tickets, and the routes of the stream itself.

        Args:
            authenticator: tells who a connection is, at its start and again and again.
            vault: seals tickets.
        """
        tickets = StreamTickets(self._database, self._runtime, vault)
        door = StreamDoor(
            self._settings,
            self._runtime,
            plugins=self._plugins,
            tenants=self._tenants,
            authenticator=authenticator,
            tickets=tickets,
            hub=self.hub,
        )
        self.hub.rechecks = door
        endpoint = StreamEndpoint(door, self.hub, self._settings.stream)
        return stream_router(tickets, door), endpoint.routes("/api/v1/stream")

    async def write(self, unit: Transaction) -> None:
        """Before a commit: the unit's pushes become rows of it."""
        if unit.pushes:
            unit.numbered = await self.journal.write(unit)

    def committed(self, unit: Transaction) -> None:
        """After it: whoever follows is told."""
        if not unit.pushes:
            return
        tenant = current_tenant()
        self.hub.committed(tenant, unit.numbered)
        if self.wire is not None:
            self.wire.tell({(tenant, push.topic, push.key) for push in unit.pushes})

    def grants_changed(self, change: GrantsChange) -> None:
        """Somebody may do more, less or nothing from now on: forget what is cached, look at open connections."""
        for invalidate in self._caches:
            invalidate()
        self.hub.grants_changed(users=change.users, tenants=change.tenants, everybody=change.everybody)

    def functions(self) -> list[FunctionSpec[Any]]:
        """Housekeeping."""

        async def prune(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
            removed: dict[str, int] = await ctx.step.run("prune", self.journal.prune)
            return removed

        return [
            FunctionSpec(
                id="kernel.stream_prune",
                title="Forget old pushes of the live stream",
                trigger=Cron("23 3 * * *"),
                handler=prune,
                system=True,
            )
        ]

    async def start(self) -> None:
        """Begin to bring pushes to this process's connections."""
        await self.hub.start()
        if self.wire is not None:
            await self.wire.start()

    async def stop(self) -> None:
        """End."""
        await self.hub.stop()
        if self.wire is not None:
            await self.wire.stop()
