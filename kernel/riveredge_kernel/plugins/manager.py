"""The pluggy side: the methods of `Plugin` are the hooks, and overriding one is implementing it."""

import inspect
from typing import Any

import pluggy

from riveredge_sdk.plugin import Plugin

PROJECT = "riveredge"


class HookManager(pluggy.PluginManager):
    """A pluggy manager without markers.

    It only registers and orders. The host calls each implementation by itself: `hook.x()` would end at the first one
    that raises, and lose the others' results.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self._specs: set[str] = set()
        self.add_specs(Plugin)

    def add_specs(self, specs: type) -> None:
        """Take the public methods of `specs` as hooks."""
        self._specs.update(name for name, value in vars(specs).items() if _is_hook(name, value))
        self.add_hookspecs(specs)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """Every public method of a class of hooks is one."""
        return {} if _is_hook(name, vars(module_or_class).get(name)) else None

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """A method that a plugin's class overrides is an implementation."""
        own = getattr(type(plugin), name, None)
        if name not in self._specs or own is getattr(Plugin, name, None):
            return None
        return {}


def _is_hook(name: str, value: Any) -> bool:
    return not name.startswith("_") and inspect.isfunction(value)
