"""What is different between two drawings, for people who look at what is about to be published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from riveredge_approvals.drawing.documents import Diagram, DrawnEdge, DrawnNode


@dataclass(frozen=True, slots=True)
class Change:
    """One field, such as `data.mode`, before and after; None where it was, or is, not there."""

    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class Parts:
    """What became of nodes, or of edges, by their ids. `moved` are those whose place alone has changed."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[Change]] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """All of it. Fields of the form are named as in its schema: `properties.amount`, `required`."""

    nodes: Parts
    edges: Parts
    settings: Sequence[Change]
    form: Sequence[Change]


def compare(
    before: Diagram, after: Diagram, form_before: Mapping[str, Any], form_after: Mapping[str, Any]
) -> Difference:
    """From one drawing with its form to another."""
    return Difference(
        nodes=_parts(before.nodes, after.nodes),
        edges=_parts(before.edges, after.edges),
        settings=changes_of(before.settings, after.settings),
        form=changes_of(_flat(form_before, "properties"), _flat(form_after, "properties")),
    )


def _parts(before: Iterable[DrawnNode | DrawnEdge], after: Iterable[DrawnNode | DrawnEdge]) -> Parts:
    # Where an id is used twice, which is an error of its own, the first one counts.
    old = {part.id: part for part in reversed(list(before))}
    new = {part.id: part for part in reversed(list(after))}
    found = Parts(sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys()))
    for name in sorted(old.keys() & new.keys()):
        changes = changes_of(_content(old[name]), _content(new[name]))
        if changes:
            found.changed[name] = changes
        elif getattr(old[name], "position", None) != getattr(new[name], "position", None):
            found.moved.append(name)
    return found


def _content(part: DrawnNode | DrawnEdge) -> dict[str, Any]:
    """What it says, wherever it lies: its fields by name, those of its data by `data.<name>`."""
    raw = part.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"id", "position"})
    return _flat(raw, "data")


def _flat(raw: Mapping[str, Any], inner: str) -> dict[str, Any]:
    parts = raw.get(inner)
    if not isinstance(parts, Mapping):
        return dict(raw)
    return {name: value for name, value in raw.items() if name != inner} | {
        f"{inner}.{name}": value for name, value in parts.items()
    }


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields whose values differ."""
    return [
        Change(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if (name in before, before.get(name)) != (name in after, after.get(name))
    ]
