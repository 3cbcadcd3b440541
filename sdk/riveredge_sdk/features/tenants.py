"""What happens to organisations, as events that the kernel publishes. React to them with functions.

An event is the organisation's own, so an ordinary function runs in it::

    FunctionSpec(id="reports.follow", title="Follow plugins", trigger=PLUGIN_SWITCHED, handler=follow)
"""

from pydantic import BaseModel

from riveredge_sdk.events import EventType


class PluginSwitched(BaseModel):
    """An organisation has switched a plugin on or off."""

    plugin: str
    enabled: bool


PLUGIN_SWITCHED = EventType("kernel/plugin.switched", PluginSwitched, "An organisation switched a plugin on or off")

__all__ = ["PLUGIN_SWITCHED", "PluginSwitched"]
