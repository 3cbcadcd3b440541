"""React Flow 11 and 12 (`toObject()`), and ProFlow: FlowView (lists without places) and FlowEditor (nodes by id).

Types are ours where they are called so. Others are found out: what nothing leads to is the start, what leads nowhere an
end, and what stands between them an approver, which wants a look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.notes import Notes
from riveredge_approvals.drawing.importing.reading import mapping, objects, text
from riveredge_approvals.drawing.nodes import FORKS, TYPES

# React Flow's own types, and what others call ours.
_SAME: Final[Mapping[str, str]] = {
    "input": "start",
    "output": "end",
    "approval": "approver",
    "copy": "cc",
    "gateway": "condition",
    "exclusive": "condition",
    "fork": "parallel",
    "timer": "delay",
    "http": "webhook",
    "subprocess": "subflow",
}
# What React Flow works out by itself, or what is about looks.
_LOOKS: Final = frozenset(
    {"measured", "width", "height", "selected", "dragging", "positionAbsolute", "zIndex", "style", "className"}
    | {"markerEnd", "markerStart", "animated", "sourcePosition", "targetPosition", "draggable", "selectable", "hidden"}
    | {"connectable", "deletable", "focusable", "extent", "expandParent", "dragHandle", "origin", "handles", "select"}
    | {"resizing", "initialWidth", "initialHeight", "ariaLabel", "pathOptions", "interactionWidth", "reconnectable"}
)
_NODE: Final = frozenset({"id", "type", "position", "data", "parentId", "parentNode", "label"}) | _LOOKS
_EDGE: Final = frozenset({"id", "source", "target", "sourceHandle", "targetHandle", "label", "data", "type"}) | _LOOKS


def import_graph(raw: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Of either of them."""
    canvas = Canvas()
    nodes, edges = objects(raw.get("nodes") or raw.get("flattenNodes")), objects(raw.get("edges"))
    ends = _Ends({text(edge.get("source")) for edge in edges}, {text(edge.get("target")) for edge in edges})
    for place, node in enumerate(nodes):
        _add_node(canvas, notes, node, f"nodes.{place}", ends)
    for place, node in enumerate(nodes):
        parent = text(node.get("parentId") or node.get("parentNode"))
        if parent in canvas.ids:
            canvas.nodes[canvas.ids[text(node.get("id"))]]["parentId"] = canvas.ids[parent]
        elif parent:
            notes.dropped(f"nodes.{place}.parentId", f"There is no node {parent}.")
    for place, edge in enumerate(edges):
        _add_edge(canvas, notes, edge, f"edges.{place}")
    _number_branches(canvas, notes)
    drawing = canvas.drawing(mapping(raw.get("settings")))
    return drawing | ({"viewport": raw["viewport"]} if isinstance(raw.get("viewport"), Mapping) else {})


@dataclass(frozen=True, slots=True)
class _Ends:
    """The nodes that edges leave, and those that they enter."""

    leaving: set[str]
    entered: set[str]

    def kind(self, name: str) -> str:
        """What a node is by its place."""
        return "start" if name not in self.entered else "end" if name not in self.leaving else "approver"


def _add_node(canvas: Canvas, notes: Notes, node: Mapping[str, Any], path: str, ends: _Ends) -> None:
    wanted = text(node.get("id"))
    # FlowEditor keeps what is its own beside `content`; FlowView has groups whose data is a list.
    data = dict(mapping(node.get("data")))
    inner = mapping(data.pop("content", None)) if "meta" in data else {}
    meta = mapping(data.pop("meta", None)) if "meta" in data else {}
    said = (data.get("label"), data.pop("title", None), meta.get("title"), node.get("label"), wanted)
    label = next((each for each in map(text, said) if each), "")
    if isinstance(node.get("data"), list):
        notes.dropped(f"{path}.data", "A group of nodes became one.")
    raw_type = text(node.get("type"), 100)
    kind = raw_type if raw_type in TYPES or "." in raw_type else _SAME.get(raw_type.lower())
    if kind is None:
        kind = ends.kind(wanted)
        named = f" ({raw_type})" if raw_type else ""
        notes.guessed(f"{path}.type", f"Its type{named} is not known here; by its place it became {kind}.")
    name = canvas.node(wanted, kind, {**data, **inner, "label": label}, node.get("position"))
    if name != wanted:
        notes.guessed(f"{path}.id", f"{wanted!r} cannot be an id, or is used twice; it became {name}.")
    notes.rest(path, node, _NODE)


def _add_edge(canvas: Canvas, notes: Notes, edge: Mapping[str, Any], path: str) -> None:
    source, target = (canvas.ids.get(text(edge.get(end))) for end in ("source", "target"))
    if source is None or target is None:
        notes.dropped(path, "It leads from or to a node that is not there.")
        return
    data = dict(mapping(edge.get("data")))
    label = text(edge.get("label"), 500) or text(data.get("label"), 500)
    handle = text(edge.get("sourceHandle"), 64)
    if handle and handle not in {"rejected", "error"}:
        notes.dropped(f"{path}.sourceHandle", f"There is no exit {handle} here.")
        handle = ""
    canvas.edge(source, target, wanted=text(edge.get("id")), sourceHandle=handle, label=label, data=data)
    notes.rest(path, edge, _EDGE)


def _number_branches(canvas: Canvas, notes: Notes) -> None:
    """Branches are taken in their order: give one to those that have none."""
    for name, node in canvas.nodes.items():
        edges = [edge for edge in canvas.edges.values() if edge["source"] == name]
        if node["type"] not in FORKS or node["type"] == "parallel" or not edges:
            continue
        for order, edge in enumerate(edges, 1):
            edge["data"] = {"order": order, **edge.get("data", {})}
        if not any(edge["data"].get("default") is True for edge in edges):
            last = edges[-1]
            if "when" not in last["data"]:
                last["data"]["default"] = True
                notes.guessed(f"edges.{last['id']}", f"The last branch of {name} became the one for everything else.")
