"""`/api/v1/tenant`, `/api/v1/plugins` and `/api/v1/navigation`: an organisation looks after itself."""

from dataclasses import replace

from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.discovery import KERNEL
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.deletion_routes import deletion_router
from riveredge_kernel.tenancy.directory import TenantDirectory, TenantInfo, foresee
from riveredge_kernel.tenancy.fields import Locale, TenantName, Timezone
from riveredge_kernel.tenancy.lifecycle import tell_plugins
from riveredge_kernel.tenancy.models import Tenant, TenantPlugin
from riveredge_kernel.tenancy.settings_routes import settings_router
from riveredge_kernel.tenancy.settings_store import SettingsStore
from riveredge_sdk.auth import current_principal
from riveredge_sdk.context import current_tenant
from riveredge_sdk.features.tenants import PLUGIN_SWITCHED, PluginSwitched
from riveredge_sdk.http import Body, ExpectedVersion, Resource, Router
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import Conflict, NotFound
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import publish, session


class TenantOut(Resource):
    """The organisation one works in."""

    slug: str
    name: str
    status: str
    locale: str
    timezone: str


class TenantChange(Body):
    """What an organisation may change about itself."""

    name: TenantName | None = None
    locale: Locale | None = None
    timezone: Timezone | None = None


class PluginOut(BaseModel):
    """A plugin, as one organisation sees it. `enabled` is its switch, `on` whether it works with all it requires."""

    id: str
    title: str
    description: str
    requires: list[str]
    enabled: bool
    on: bool


class PluginChange(Body):
    """The switch."""

    enabled: bool


class NavigationOut(BaseModel):
    """An entry of the console's navigation. `path` is relative to the console."""

    id: str
    plugin: str
    title: str
    path: str
    icon: str
    order: int


class Tenants(Repository[Tenant]):
    """The platform's table; routes ask for the current one only."""

    model = Tenant


def tenancy_routers(plugins: PluginHost, tenants: TenantDirectory, settings: SettingsStore) -> list[Router]:
    """The routes."""
    return [
        _tenant_router(tenants),
        deletion_router(tenants),
        _plugin_router(plugins, tenants),
        settings_router(plugins, settings, tenants),
        _navigation_router(plugins, tenants),
    ]


def _navigation_router(plugins: PluginHost, tenants: TenantDirectory) -> Router:
    router = Router(prefix="/navigation", tag="Plugins")

    @router.get(signed_in=True, summary="What I can go to")
    async def list_navigation() -> list[NavigationOut]:
        """The entries of the plugins that are on, as far as one's permissions reach; empty without an organisation."""
        principal = current_principal()
        tenant = await tenants.get(principal.tenant_id) if principal.tenant_id else None
        if tenant is None:
            return []
        found = [
            NavigationOut(id=i.id, plugin=c.plugin_id, title=i.title, path=i.path, icon=i.icon, order=i.order)
            for c in plugins.collect(Plugin.navigation)
            if ((i := c.item).permission is None or principal.may(i.permission))
            and is_on(plugins, c.plugin_id, tenant.switches)
        ]
        return sorted(found, key=lambda entry: (entry.order, entry.title))

    return router


def _tenant_router(tenants: TenantDirectory) -> Router:
    router = Router(prefix="/tenant", tag="Organisation", audit="kernel.tenant")

    @router.get(require="kernel.tenant.read", summary="The organisation")
    async def get_tenant() -> TenantOut:
        return TenantOut.model_validate(await Tenants().get(current_tenant()))

    @router.patch(require="kernel.tenant.write", summary="Change the organisation")
    async def change_tenant(body: TenantChange, version: ExpectedVersion) -> TenantOut:
        row = await Tenants().get(current_tenant(), version=version, lock=True)
        changed = TenantOut.model_validate(await Tenants().change(row, body.given()))
        tenants.invalidate(row.id)
        return changed

    return router


def _plugin_router(plugins: PluginHost, tenants: TenantDirectory) -> Router:
    router = Router(prefix="/plugins", tag="Plugins", audit="kernel.plugin")

    async def current() -> TenantInfo:
        tenant = await tenants.get(current_tenant())
        assert tenant is not None  # noqa: S101  (it is being served)
        return tenant

    def out(plugin_id: str, switches: dict[str, bool]) -> PluginOut:
        plugin = plugins.get(plugin_id)
        if plugin is None or plugin_id == KERNEL:
            raise NotFound(f"There is no plugin {plugin_id[:63]!r} here.")
        return PluginOut(
            id=plugin.id,
            title=plugin.title,
            description=plugin.description,
            requires=list(plugin.requires),
            enabled=switches.get(plugin.id, plugin.default_enabled),
            on=is_on(plugins, plugin.id, switches),
        )

    @router.get(require="kernel.tenant.read", summary="The plugins and their switches")
    async def list_plugins() -> list[PluginOut]:
        switches = dict((await current()).switches)
        return [out(plugin.id, switches) for plugin in plugins.active if plugin.id != KERNEL]

    @router.put("/{plugin_id}", require="kernel.tenant.write", summary="Switch a plugin on or off")
    async def switch_plugin(plugin_id: str, body: PluginChange) -> PluginOut:
        tenant = await current()
        switches = dict(tenant.switches)
        before = out(plugin_id, switches)
        if body.enabled:
            off = [other for other in before.requires if not is_on(plugins, other, switches)]
            if off:
                raise Conflict(f"Switch on {', '.join(off)} first: {plugin_id!r} requires it.")
        query = select(TenantPlugin).where(col(TenantPlugin.plugin) == plugin_id)
        row = (await session().exec(query)).one_or_none() or TenantPlugin(plugin=plugin_id, enabled=body.enabled)
        row.enabled = body.enabled
        session().add(row)
        await session().flush()
        if body.enabled != before.enabled:
            plugin = plugins.get(plugin_id)
            assert plugin is not None  # noqa: S101
            will_be = replace(tenant, switches={**switches, plugin_id: body.enabled})
            with foresee(will_be):
                await (plugin.tenant_enabled() if body.enabled else plugin.tenant_disabled())
            await tell_plugins(plugins, will_be, Plugin.plugin_switched, plugin_id, enabled=body.enabled, but=plugin_id)
            switched = PluginSwitched(plugin=plugin_id, enabled=body.enabled)
            publish(PLUGIN_SWITCHED, switched)
        tenants.invalidate(current_tenant())
        return out(plugin_id, {**switches, plugin_id: body.enabled})

    return router
