"""What the SDK's functions call: the kernel's parts, answered for the current context's tenant."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.db.database import AfterCommit, BeforeCommit, Database
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.tenancy.settings_store import SettingsStore
from riveredge_kernel.timers.clock import Clock
from riveredge_kernel.timers.service import TimerService
from riveredge_sdk.context import Context, current_context, find_context
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.ports import Port
from riveredge_sdk.tenancy import TenantWallError
from riveredge_sdk.timers import NotServedError, Owner
from riveredge_sdk.tracing import Tracer
from riveredge_sdk.uow import UnitOfWork, session

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=BaseModel)


class KernelRuntime:
    """Implements `riveredge_sdk.runtime.Runtime`. Made first, because the parts need it; they are handed in after."""

    def __init__(
        self, *, cursor_key: bytes, clock: Clock | None = None, tracer: Tracer | None = None, public_url: str = ""
    ) -> None:
        self._cursor_key = hashlib.sha256(b"riveredge cursors" + cursor_key).digest()
        self._public_url = public_url
        self.clock = clock or Clock()
        self.timers = TimerService(self.clock)
        self.tracer = tracer

    def assemble(
        self,
        *,
        plugins: PluginHost,
        database: Database,
        tenants: TenantDirectory,
        settings: SettingsStore,
        before_commit: BeforeCommit,
        after_commit: AfterCommit,
    ) -> None:
        """Hand in the parts. The last two are called around each commit that tells others something."""
        self.plugins = plugins
        self.database = database
        self._tenants = tenants
        self._settings = settings
        self._before_commit = before_commit
        self._after_commit = after_commit

    def open_unit_of_work(self, *, read_only: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        return self.database.unit_of_work(
            before_commit=self._before_commit, after_commit=self._after_commit, read_only=read_only
        )

    def open_read_session(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.database.read_session()

    def find_service(self, port: Port[T]) -> T | None:
        for contributed in self.plugins.collect(Plugin.services):
            service = contributed.item
            if service.port == port and self._is_on(contributed.plugin_id):
                found: T = service.implementation
                return found
        return None

    def contributions(self, hook: Callable[[Any], Iterable[T]]) -> list[T]:
        return [c.item for c in self.plugins.collect(hook) if self._is_on(c.plugin_id)]

    async def tenant_settings(self, model: type[SettingsT]) -> SettingsT:
        return await self._settings.load(model)

    async def set_timer(self, owner: Owner, name: str, due_at: datetime, event: str, data: dict[str, Any]) -> None:
        await self.timers.set(owner, name, due_at, event, data)

    async def cancel_timers(self, owner: Owner, name: str | None) -> int:
        return await self.timers.cancel(owner, name)

    async def tenant_context(self, tenant_id: UUID, plugin: str) -> Context:
        context = current_context()
        if context.system_reason is None:
            raise TenantWallError("only code that runs without a tenant may choose one to serve")
        tenant = await self._tenants.get(tenant_id)
        if tenant is None:
            raise NotServedError("There is no such organisation.")
        if tenant.status != TenantStatus.ACTIVE:
            raise NotServedError("The organisation is suspended.")
        if not is_on(self.plugins, plugin, tenant.switches):
            raise NotServedError(f"The plugin {plugin!r} is switched off for this organisation.")
        return replace(context, tenant_id=tenant.id, locale=tenant.locale, timezone=tenant.timezone, system_reason=None)

    async def served_tenants(self, plugin: str, among: Collection[UUID] | None = None) -> Sequence[UUID]:
        if current_context().system_reason is None:
            raise TenantWallError("only code that runs without a tenant may look at all of them")
        found = await self._tenants.active() if among is None else (await self._tenants.get_many(among)).values()
        return [
            tenant.id
            for tenant in found
            if tenant.status == TenantStatus.ACTIVE and is_on(self.plugins, plugin, tenant.switches)
        ]

    def now(self) -> datetime:
        return self.clock.now()

    async def database_now(self) -> datetime:
        return await self.clock.present(session())

    @property
    def cursor_key(self) -> bytes:
        return self._cursor_key

    @property
    def public_url(self) -> str:
        return self._public_url

    def _is_on(self, plugin: str) -> bool:
        """Whether the plugin is on for the current tenant; outside of a tenant every active one is."""
        context = find_context()
        if plugin == "kernel" or context is None or context.tenant_id is None:
            return True
        tenant = self._tenants.peek(context.tenant_id)
        return tenant is not None and is_on(self.plugins, plugin, tenant.switches)
