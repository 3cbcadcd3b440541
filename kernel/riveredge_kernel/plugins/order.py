"""In which order plugins are set up; what a cycle or an unmet requirement takes down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from riveredge_kernel.plugins.discovery import KERNEL
from riveredge_sdk.plugin import Plugin


@dataclass(slots=True)
class Plan:
    """`order` of those that can run, and the reason why each other cannot."""

    order: list[str] = field(default_factory=list)
    unmet: dict[str, str] = field(default_factory=dict)


def plan(plugins: Mapping[str, Plugin]) -> Plan:
    """Sort plugins after what they require and, softly, after what they name in `after`; ids break ties."""
    made = Plan()
    rest = dict(sorted(plugins.items()))
    _drop_unmet(rest, made)
    while rest:
        ready = [i for i, p in rest.items() if not _waits_for(p.requires, rest) and not _waits_for(p.after, rest)]
        # Only soft wishes are left in the way: they yield.
        ready = ready or [i for i, p in rest.items() if not _waits_for(p.requires, rest)][:1]
        if not ready:
            for member, circle in _circles(rest).items():
                made.unmet[member] = f"its requirements go in a circle: {' → '.join(circle)}"
                del rest[member]
            _drop_unmet(rest, made)
            continue
        for plugin_id in ready:
            made.order.append(plugin_id)
            del rest[plugin_id]
    return made


def _waits_for(wanted: Sequence[str], rest: Mapping[str, Plugin]) -> bool:
    return any(other in rest for other in wanted)


def _drop_unmet(rest: dict[str, Plugin], made: Plan) -> None:
    while True:
        # The kernel is there for everybody, also where only the plugins are looked at.
        available = {KERNEL} | set(rest) | set(made.order)
        missing = {i: [r for r in p.requires if r not in available] for i, p in rest.items()}
        lost = {i: names for i, names in missing.items() if names}
        if not lost:
            return
        for plugin_id, names in lost.items():
            made.unmet[plugin_id] = f"requires {', '.join(names)}, which is not installed or does not run"
            del rest[plugin_id]


def _circles(rest: Mapping[str, Plugin]) -> dict[str, list[str]]:
    """Each member of a circle, and the way round."""
    return {i: circle for i in rest if (circle := _circle(i, rest))}


def _circle(start: str, rest: Mapping[str, Plugin]) -> list[str]:
    """A path along requirements from `start` back to it; empty if there is none."""
    paths = [[start]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for other in rest[path[-1]].requires:
            if other == start:
                return [*path, start]
            if other in rest and other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return []
