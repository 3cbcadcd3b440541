"""Finds the installed plugins, each behind its own fence: one that cannot be imported costs itself only."""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from riveredge_kernel.plugins.report import PluginReport
from riveredge_kernel.settings import PluginHostSettings
from riveredge_sdk import API_VERSION
from riveredge_sdk.plugin import Plugin

GROUP = "riveredge.plugins"
KERNEL = "kernel"

_ID = re.compile(r"[a-z][a-z0-9_]{1,40}")
Found = tuple[PluginReport, Plugin | None]

HOOKS: tuple[str, ...] = tuple(name for name, value in vars(Plugin).items() if inspect.isfunction(value))


def discover(settings: PluginHostSettings) -> Iterator[Found]:
    """The plugins that the entry points name, in a fixed order; those that do not load come without an object."""
    if settings.safe_mode:
        return
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        report = PluginReport(entry.name)
        if entry.dist is not None:
            report.version, report.distribution = entry.dist.version, entry.dist.name
        if reason := _unwanted(entry.name, settings):
            report.state, report.reasons = "disabled", [reason]
            yield report, None
            continue
        yield report, _load(entry, report)


def _unwanted(plugin: str, settings: PluginHostSettings) -> str:
    if plugin in settings.deny:
        return "denied by RIVEREDGE_PLUGINS__DENY"
    if settings.allow is not None and plugin not in settings.allow:
        return "not among RIVEREDGE_PLUGINS__ALLOW"
    return ""


def _load(entry: EntryPoint, report: PluginReport) -> Plugin | None:
    try:
        loaded = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (also SystemExit: a plugin may not end the platform)
        report.state, report.reasons = "failed: load", [f"{type(error).__name__}: {error}"[:500]]
        return None
    if mistakes := check(loaded, entry.name):
        report.state, report.reasons = "failed: load", mistakes
        return None
    report.title = loaded.title
    plugin: Plugin = loaded
    return plugin


def check(loaded: Any, name: str) -> list[str]:
    """What is wrong with a plugin's manifest and signatures; empty if nothing is."""
    if not isinstance(loaded, Plugin):
        return [f"the entry point gives a {type(loaded).__name__}; it must give an object of a subclass of Plugin"]
    return [
        *_wrong_manifest(loaded, name),
        *(mistake for hook in HOOKS if (mistake := _wrong_signature(loaded, hook))),
    ]


def _wrong_manifest(plugin: Plugin, name: str) -> Iterator[str]:
    plugin_id = getattr(plugin, "id", None)
    if not isinstance(plugin_id, str) or not _ID.fullmatch(plugin_id):
        yield f"id {plugin_id!r}: expected 2 to 41 lower-case letters, digits and underscores"
    elif plugin_id != name:
        yield f"id {plugin_id!r} differs from the entry point's name {name!r}"
    if not isinstance(getattr(plugin, "title", None), str):
        yield "title is missing"
    for wish in ("requires", "after"):
        if not _are_ids(getattr(plugin, wish)):
            yield f"{wish} must be a list of plugin ids"
    try:
        if not SpecifierSet(plugin.api).contains(API_VERSION):
            yield f"made for SDK API {plugin.api}; this is {API_VERSION}"
    except (InvalidSpecifier, TypeError):
        yield f"api {plugin.api!r} is no version specifier such as '>=1,<2'"


def _are_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _wrong_signature(plugin: Plugin, hook: str) -> str:
    declared: Callable[..., Any] = getattr(Plugin, hook)
    own = getattr(type(plugin), hook)
    if own is declared:
        return ""
    want, have = inspect.signature(declared), inspect.signature(own)
    if list(have.parameters) != list(want.parameters):
        return f"{hook}{have} has other arguments than the hook, {hook}{want}"
    if inspect.iscoroutinefunction(declared) != inspect.iscoroutinefunction(own):
        return f"{hook} must {'' if inspect.iscoroutinefunction(declared) else 'not '}be a coroutine function"
    return ""
