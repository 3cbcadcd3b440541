"""A drawing under construction: ids that are allowed and used once, edges between them, places on the canvas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]+")
_ACROSS: Final = 280
_DOWN: Final = 128


@dataclass(slots=True)
class Canvas:
    """Nodes and edges as `flow/1` has them. `ids` are the new ids by the old ones."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def start(self) -> str | None:
        """The first start."""
        return next((name for name, node in self.nodes.items() if node["type"] == "start"), None)

    def node(self, wanted: str, type_: str, data: Mapping[str, Any], position: Any = None) -> str:
        """Draw a node; its id, which is the wanted one if that can be."""
        name = _free(wanted, self.nodes, "n")
        self.ids.setdefault(wanted, name)
        shown = {key: value for key, value in data.items() if value is not None}
        self.nodes[name] = {"id": name, "type": type_, "data": shown}
        if _is_place(position):
            self.nodes[name]["position"] = {"x": position["x"], "y": position["y"]}
        return name

    def edge(self, source: str, target: str, *, wanted: str = "", **more: Any) -> dict[str, Any]:
        """Draw an edge between two of the nodes."""
        name = _free(wanted or f"{source}-{target}", self.edges, "e")
        said = {key: value for key, value in more.items() if value not in (None, {}, "")}
        self.edges[name] = {"id": name, "source": source, "target": target, **said}
        return self.edges[name]

    def drawing(self, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The drawing, with places for all nodes: those that have none are laid out from top to bottom."""
        if any("position" not in node for node in self.nodes.values()):
            self._lay_out()
        return {
            "schema": "flow/1",
            "settings": dict(settings or {}),
            "nodes": list(self.nodes.values()),
            "edges": list(self.edges.values()),
        }

    def _lay_out(self) -> None:
        rows: dict[int, list[str]] = {}
        for name, row in self._rows().items():
            rows.setdefault(row, []).append(name)
        for row, names in rows.items():
            for place, name in enumerate(names):
                x = (place - (len(names) - 1) / 2) * _ACROSS
                self.nodes[name]["position"] = {"x": x, "y": row * _DOWN}

    def _rows(self) -> dict[str, int]:
        """How many nodes come before each on the longest way to it. What lies in a circle stays at the top."""
        out: dict[str, list[str]] = {name: [] for name in self.nodes}
        waiting = dict.fromkeys(self.nodes, 0)
        for edge in self.edges.values():
            out[edge["source"]].append(edge["target"])
            waiting[edge["target"]] += 1
        rows = dict.fromkeys(self.nodes, 0)
        ready = [name for name, count in waiting.items() if count == 0]
        for name in ready:
            for target in out[name]:
                rows[target] = max(rows[target], rows[name] + 1)
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        return rows


def _free(wanted: str, taken: Mapping[str, Any], letter: str) -> str:
    base = _FORBIDDEN.sub("_", wanted).strip("_")[:56] or f"{letter}{len(taken) + 1}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _is_place(position: Any) -> bool:
    return isinstance(position, Mapping) and all(
        isinstance(position.get(axis), int | float) and not isinstance(position.get(axis), bool) for axis in ("x", "y")
    )
