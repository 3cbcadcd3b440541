"""Whether a plugin is on for a tenant."""

from collections.abc import Mapping

from riveredge_kernel.plugins.host import PluginHost


def is_on(host: PluginHost, plugin_id: str, switches: Mapping[str, bool]) -> bool:
    """The tenant's switch, else the plugin's default; off if it does not run or something it requires is off.

    Args:
        switches: the tenant's own switches, by plugin id.
    """
    plugin = host.get(plugin_id)
    if plugin is None:
        return False
    if not switches.get(plugin_id, plugin.default_enabled):
        return False
    return all(is_on(host, required, switches) for required in plugin.requires)
