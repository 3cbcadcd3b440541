"""Tells watchers of the events that organisations have chosen, in the transaction that publishes these."""

from uuid import UUID

import structlog

from riveredge_kernel.db.database import Transaction
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.context import current_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.uow import current_unit_of_work
from riveredge_sdk.watching import EventWatcher, WatchedEvent

log = structlog.get_logger(__name__)


class Watching:
    """All watchers of all plugins."""

    def __init__(self, plugins: PluginHost, tenants: TenantDirectory) -> None:
        self._plugins = plugins
        self._tenants = tenants

    async def add(self, unit: Transaction) -> None:
        """Publish what watchers are to be told of the unit's events."""
        contributed = self._plugins.collect(Plugin.event_watchers)
        if not contributed:
            return
        own = current_context().tenant_id
        by_tenant: dict[UUID, list[PublishedEvent]] = {}
        for event in unit.events:
            tenant_id = event.tenant_id or own
            if tenant_id is not None:
                by_tenant.setdefault(tenant_id, []).append(event)
        # The block that opened it is left; it is about to be committed.
        token = current_unit_of_work.set(unit)
        try:
            for tenant_id, events in by_tenant.items():
                for each in contributed:
                    unit.events.extend(await self._told(each.plugin_id, each.item, tenant_id, events))
        finally:
            current_unit_of_work.reset(token)

    async def _told(
        self, plugin: str, watcher: EventWatcher, tenant_id: UUID, events: list[PublishedEvent]
    ) -> list[PublishedEvent]:
        # What watching sets off is the plugin's own, so that nobody can make it go in circles.
        others = [event for event in events if not event.name.startswith(f"{plugin}/")]
        if not others:
            return []
        # What runs without a tenant publishes for some that this process has not served yet. The one that is being
        # served is not looked up anew: it may be changing, and what is committed of it would be taken for the present.
        tenant = self._tenants.peek(tenant_id) or await self._tenants.get(tenant_id)
        if tenant is None or not is_on(self._plugins, plugin, tenant.switches):
            return []
        try:
            names = await watcher.names(tenant_id)
        except Exception:
            # Somebody else's transaction: it is not to fail because of whoever watches.
            log.exception("watcher_failed", watcher=watcher.id)
            return []
        return [self._one(watcher, tenant_id, event) for event in others if event.name in names]

    @staticmethod
    def _one(watcher: EventWatcher, tenant_id: UUID, event: PublishedEvent) -> PublishedEvent:
        told = WatchedEvent(event_id=event.id, name=event.name, data=event.data, at=event.due_at or utcnow())
        return PublishedEvent(
            id=uuid7(),
            name=watcher.event.name,
            data=told.model_dump(mode="json"),
            due_at=event.due_at,
            tenant_id=tenant_id,
            request_id=event.request_id,
        )
