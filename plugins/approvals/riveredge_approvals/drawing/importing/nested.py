"""Nested designers, as DingTalk made them common: a node holds the next one as its `childNode`, a fork its branches.

What the keys and numbers mean is a dialect's: FlowLong's and that of ruoyi-vue-pro's “simple” model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.notes import Notes
from riveredge_approvals.drawing.importing.reading import ImportFailedError, mapping
from riveredge_approvals.drawing.nodes import FORKS

_MAX_DEPTH: Final = 40
_MAX_NODES: Final = 5000
# An open way: where it comes from, and what its edge says.
Way = tuple[str, dict[str, Any]]


@dataclass(slots=True)
class Form:
    """The fields that a document names, as a JSON Schema's properties; their types are guessed."""

    properties: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, title: str, *, is_number: bool) -> str:
        """Take a field; its full name."""
        kind = "number" if is_number else "string"
        known = self.properties.setdefault(name, {"type": kind, **({"title": title} if title else {})})
        if is_number:
            known["type"] = "number"
        return f"form.{name}"


class Dialect(Protocol):
    """What a designer's keys mean."""

    def name(self, node: Mapping[str, Any]) -> tuple[str, str]:
        """A node's id and its label."""
        ...

    def kind(self, node: Mapping[str, Any]) -> str | None:
        """Its type here; None if there is none like it."""
        ...

    def data(self, node: Mapping[str, Any], kind: str, path: str, canvas: Canvas) -> dict[str, Any]:
        """What its data is here."""
        ...

    def branches(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """A fork's branches in their order."""
        ...

    def condition(self, branch: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        """When a branch is taken; None: where no other one is; empty: it says when, which cannot be read."""
        ...


class Walker:
    """Draws a nested document."""

    def __init__(self, canvas: Canvas, notes: Notes, dialect: Dialect) -> None:
        self._canvas = canvas
        self._notes = notes
        self._dialect = dialect

    def draw(self, root: Mapping[str, Any], path: str) -> None:
        """All of it, with a start and an end if there is none."""
        ways: list[Way] = []
        if self._dialect.kind(root) != "start":
            ways = [(self._canvas.node("start", "start", {"label": "发起人"}), {})]
        ways = self._chain(root, path, ways, 0)
        if ways:
            self._connect(ways, self._canvas.node("end", "end", {"label": "结束"}))

    def _chain(self, node: Mapping[str, Any], path: str, ways: list[Way], depth: int) -> list[Way]:
        """A node and those behind it; the ways that are open then."""
        if depth > _MAX_DEPTH:
            raise ImportFailedError(f"Its branches nest more than {_MAX_DEPTH} deep.")
        while node:
            if len(self._canvas.nodes) > _MAX_NODES:
                raise ImportFailedError(f"It has more than {_MAX_NODES} nodes.")
            kind = self._dialect.kind(node)
            if kind is None:
                self._notes.dropped(path, f"There is no type of node like {node.get('type')!r} here.")
            else:
                wanted, label = self._dialect.name(node)
                data = {"label": label, **self._dialect.data(node, kind, path, self._canvas)}
                name = self._canvas.node(wanted or f"{kind}_{len(self._canvas.nodes) + 1}", kind, data)
                self._connect(ways, name)
                ways = [] if kind == "end" else [(name, {})]
                if kind in FORKS:
                    ways = self._fork(node, path, name, kind, depth)
            node, path = mapping(node.get("childNode")), f"{path}.childNode"
        return ways

    def _fork(self, node: Mapping[str, Any], path: str, name: str, kind: str, depth: int) -> list[Way]:
        found: list[Way] = []
        defaults = 0
        branches = self._dialect.branches(node)
        for order, branch in enumerate(branches, 1):
            here = f"{path}.branches.{order - 1}"
            data: dict[str, Any] = {"order": order}
            if kind != "parallel":
                when = self._dialect.condition(branch, here)
                data |= {"default": True} if when is None else {"when": when} if when else {}
                defaults += when is None
            label = self._dialect.name(branch)[1]
            found += self._chain(
                mapping(branch.get("childNode")), here, [(name, {"label": label, "data": data})], depth + 1
            )
        if kind != "parallel" and defaults == 0:
            self._notes.guessed(path, "No branch is for everything else: one that passes by was added.")
            found.append((name, {"data": {"default": True}}))
        if kind == "condition":
            return found
        join = self._canvas.node(f"{name}_join", "join", {"label": ""})
        self._connect(found, join)
        return [(join, {})]

    def _connect(self, ways: list[Way], target: str) -> None:
        for source, said in ways:
            self._canvas.edge(source, target, **said)
