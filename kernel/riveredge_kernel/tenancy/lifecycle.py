"""Tells the plugins what happens to a tenant, inside the unit of work in which it happens."""

from collections.abc import Callable
from typing import Any

import structlog

from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantInfo, foresee
from riveredge_sdk.uow import savepoint

log = structlog.get_logger(__name__)


async def tell_plugins(
    plugins: PluginHost, tenant: TenantInfo, hook: Callable[..., Any], *args: Any, but: str = "", **options: Any
) -> None:
    """Call a hook of every plugin that is on for the tenant as it will be.

    One that raises takes back what it has done, and that is reported. The unit of work goes on: an organisation can be
    made, and a plugin switched, whatever a third one thinks of it.

    Args:
        but: the id of a plugin that is not asked.
    """
    with foresee(tenant):
        for plugin in plugins.implementing(hook):
            if plugin.id == but or not is_on(plugins, plugin.id, tenant.switches):
                continue
            try:
                async with savepoint():
                    await getattr(plugin, hook.__name__)(*args, **options)
            except Exception as error:
                log.exception("tenant_hook_failed", plugin=plugin.id, hook=hook.__name__, tenant=str(tenant.id))
                plugins.add_reason(plugin.id, f"{hook.__name__}: {type(error).__name__}: {error}"[:500])
