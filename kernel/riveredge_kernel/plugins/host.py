"""Holds the plugins and calls their hooks, each for itself: what one does wrong costs only what it would have given."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import pluggy
import structlog

from riveredge_kernel import __version__
from riveredge_kernel.plugins.contributed import Contributed, fits, identity, misplaced
from riveredge_kernel.plugins.discovery import KERNEL, Found, check, discover
from riveredge_kernel.plugins.manager import HookManager
from riveredge_kernel.plugins.order import plan
from riveredge_kernel.plugins.report import PluginReport, State
from riveredge_kernel.settings import PluginHostSettings
from riveredge_sdk.plugin import Plugin

T = TypeVar("T")
log = structlog.get_logger(__name__)


class PluginError(RuntimeError):
    """A plugin failed, and RIVEREDGE_PLUGINS__STRICT makes that the end."""


class PluginHost:
    """The plugins of one platform. Build it with `load`."""

    def __init__(self, settings: PluginHostSettings) -> None:
        self._settings = settings
        self._manager = HookManager()
        self._reports: dict[str, PluginReport] = {}
        self._plugins: dict[str, Plugin] = {}
        self._collected: dict[str, list[Contributed[Any]]] = {}

    @classmethod
    def load(
        cls, settings: PluginHostSettings, *, builtin: Sequence[Plugin] = (), extra: Sequence[Plugin] = ()
    ) -> "PluginHost":
        """Find, check, sort and register.

        Args:
            builtin: the kernel's own; they come first, and safe mode and lists do not hold for them.
            extra: plugins at hand that are not installed (tests).

        Raises:
            PluginError: in strict mode, a plugin failed.
        """
        host = cls(settings)
        running: dict[str, Plugin] = {}
        found: list[Found] = [
            *((PluginReport(p.id, version=__version__, title=p.title), p) for p in builtin),
            *discover(settings),
        ]
        for plugin in extra:
            mistakes = check(plugin, plugin.id)
            report = PluginReport(plugin.id, title=plugin.title, state="failed: load" if mistakes else "active")
            report.reasons = mistakes
            found.append((report, None if mistakes else plugin))
        for report, made in found:
            if report.id in host._reports:
                host._note(host._reports[report.id], "partial", f"left out: {report.distribution} has the same id")
                continue
            host._reports[report.id] = report
            if made is not None:
                running[report.id] = made
            elif report.state != "disabled":
                host._note(report, report.state, "")
        host._register(running)
        return host

    def _register(self, plugins: dict[str, Plugin]) -> None:
        made = plan(plugins)
        for plugin_id, reason in made.unmet.items():
            self._note(self._reports[plugin_id], "failed: requires", reason)
        # The order of dependencies, and the kernel before all.
        for plugin_id in sorted(made.order, key=lambda i: i != KERNEL):
            plugin = plugins[plugin_id]
            self._plugins[plugin_id] = plugin
            # Extension points are known before anybody's implementations are looked at.
            for offered in self._contributions(plugin, "hookspecs", Plugin.hookspecs):
                self._manager.add_specs(offered.item.specs)
        for plugin_id, plugin in list(self._plugins.items()):
            try:
                self._manager.register(plugin, name=plugin_id)
            except (pluggy.PluginValidationError, ValueError) as error:
                self.fail(plugin_id, "failed: load", str(error))

    # -- what there is ------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[Plugin]:
        """The plugins that run, in dependency order."""
        return list(self._plugins.values())

    def get(self, plugin_id: str) -> Plugin | None:
        """The plugin, if it runs."""
        return self._plugins.get(plugin_id)

    def report(self) -> list[PluginReport]:
        """Every installed plugin: those that run in their order, then the others."""
        running = [self._reports[plugin_id] for plugin_id in self._plugins]
        return running + [self._reports[i] for i in sorted(self._reports.keys() - self._plugins.keys())]

    def fail(self, plugin_id: str, state: State, reason: str) -> None:
        """Take a plugin down, and with it those that require it."""
        plugin = self._plugins.pop(plugin_id, None)
        if plugin is None:
            return
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)
        self._collected.clear()
        self._note(self._reports[plugin_id], state, reason)
        for other in [p for p in self.active if plugin_id in p.requires]:
            self.fail(other.id, "failed: requires", f"requires {plugin_id}, which does not run")

    def add_reason(self, plugin_id: str, reason: str) -> None:
        """Note that something a plugin offers is left out."""
        self._note(self._reports[plugin_id], "partial", reason)

    def _note(self, report: PluginReport, state: State, reason: str) -> None:
        report.state = state
        # What goes wrong again and again is told once.
        if reason and reason not in report.reasons:
            report.reasons.append(reason)
        log.warning("plugin", plugin=report.id, state=state, reason=reason or report.reason)
        if self._settings.strict:
            raise PluginError(f"plugin {report.id}: {state}: {reason or report.reason}")

    # -- hooks --------------------------------------------------------------------------------------------------

    def collect(self, hook: Callable[[Any], Iterable[T]]) -> list[Contributed[T]]:
        """What the running plugins contribute through a hook, in dependency order. Asked once, then remembered."""
        name = hook.__name__
        if name not in self._collected:
            caller = getattr(self._manager.hook, name, None)
            plugins = [impl.plugin for impl in caller.get_hookimpls()] if caller is not None else []
            items: list[Contributed[Any]] = []
            owners: dict[str, str] = {}
            for plugin in plugins:
                items += [c for c in self._contributions(plugin, name, hook) if self._is_first(c, name, owners)]
            self._collected[name] = items
        return cast("list[Contributed[T]]", self._collected[name])

    def _contributions(self, plugin: Plugin, name: str, hook: Callable[..., Any]) -> list[Contributed[Any]]:
        is_one, promised = fits(hook)
        try:
            given = list(getattr(plugin, name)())
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a plugin raises costs this hook only)
            self.add_reason(plugin.id, f"{name}: {type(error).__name__}: {error}"[:500])
            return []
        good: list[Contributed[Any]] = []
        for item in given:
            if not is_one(item):
                self.add_reason(plugin.id, f"{name}: gave a {type(item).__name__}, expected {promised}")
            elif mistake := misplaced(item, plugin.id):
                self.add_reason(plugin.id, f"{name}: {mistake}")
            else:
                good.append(Contributed(plugin.id, item))
        return good

    def _is_first(self, contributed: Contributed[Any], hook: str, owners: dict[str, str]) -> bool:
        name = identity(contributed.item)
        if name is None:
            return True
        if name in owners:
            self.add_reason(contributed.plugin_id, f"{hook}: {name} is offered by {owners[name]} already")
            return False
        owners[name] = contributed.plugin_id
        return True

    def implementing(self, hook: Callable[..., Any]) -> list[Plugin]:
        """The running plugins that have the hook, in dependency order."""
        return [impl.plugin for impl in getattr(self._manager.hook, hook.__name__).get_hookimpls()]

    async def call(self, hook: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Call an asynchronous hook of every plugin that has it; the results of those that gave one, by plugin id."""
        results: dict[str, Any] = {}
        for plugin in self.implementing(hook):
            # A task of its own: it may be left behind where it does not even end when it is cancelled.
            task = asyncio.create_task(self._answer(plugin, hook.__name__, args))
            try:
                done, _ = await asyncio.wait({task}, timeout=self._settings.hook_timeout)
            except asyncio.CancelledError:
                task.cancel()
                raise
            if not done:
                task.cancel()
                self.add_reason(plugin.id, f"{hook.__name__}: no end after {self._settings.hook_timeout:g} s")
            else:
                results.update(task.result())
        return results

    async def _answer(self, plugin: Plugin, hook: str, args: tuple[Any, ...]) -> dict[str, Any]:
        """The hook's result under the plugin's id; nothing if it raised, and that is noted."""
        try:
            return {plugin.id: await getattr(plugin, hook)(*args)}
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            # A hook that awaits what it has cancelled itself raises this as well, and only then is it the hook's own.
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self.add_reason(plugin.id, f"{hook}: {type(error).__name__}: {error}"[:500])
            return {}


__all__ = ["Contributed", "PluginError", "PluginHost", "PluginReport"]
