"""What the SDK's functions call: the kernel's parts, answered for the current context's tenant."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.db.database import Database
from riveredge_kernel.events.outbox import Outbox
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.settings_store import SettingsStore
from riveredge_sdk.context import find_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.ports import Port
from riveredge_sdk.uow import UnitOfWork

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=BaseModel)


class KernelRuntime:
    """Implements `riveredge_sdk.runtime.Runtime`. Made first, because the parts need it; they are handed in after."""

    def __init__(self, *, cursor_key: bytes) -> None:
        self._cursor_key = hashlib.sha256(b"riveredge cursors" + cursor_key).digest()

    def assemble(
        self,
        *,
        plugins: PluginHost,
        database: Database,
        outbox: Outbox,
        tenants: TenantDirectory,
        settings: SettingsStore,
        published: Callable[[Sequence[PublishedEvent]], None],
    ) -> None:
        """Hand in the parts. `published` is called with the events of each commit."""
        self.plugins = plugins
        self.database = database
        self._outbox = outbox
        self._tenants = tenants
        self._settings = settings
        self._published = published

    def open_unit_of_work(self, *, read_only: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        return self.database.unit_of_work(
            before_commit=self._outbox.write, after_commit=self._published, read_only=read_only
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

    @property
    def cursor_key(self) -> bytes:
        return self._cursor_key

    def _is_on(self, plugin: str) -> bool:
        """Whether the plugin is on for the current tenant; outside of a tenant every active one is."""
        context = find_context()
        if context is None or context.tenant_id is None:
            return True
        tenant = self._tenants.peek(context.tenant_id)
        return tenant is not None and is_on(self.plugins, plugin, tenant.switches)
