"""Inngest's workflow-kit: `{name?, actions: [{id, kind, name, inputs}], edges: [{from, to, conditional?}]}`.

Actions become nodes of their kind: `approver` where it is about approval, else a node of a plugin. An edge from
`$source` comes from the start. Where ways part, a condition is drawn, and where they end, an end.
"""

from collections.abc import Mapping
from typing import Any, Final

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.notes import Notes
from riveredge_approvals.drawing.importing.reading import mapping, objects, text
from riveredge_approvals.drawing.nodes import TYPES

_SOURCE: Final = "$source"
_ACTION: Final = frozenset({"id", "kind", "name", "description", "inputs"})


def import_workflow(raw: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """A workflow."""
    canvas = Canvas()
    canvas.ids[_SOURCE] = canvas.node("start", "start", {"label": "Start"})
    for place, action in enumerate(objects(raw.get("actions"))):
        _add_action(canvas, notes, action, f"actions.{place}")
    ways: dict[str, list[tuple[str, Mapping[str, Any]]]] = {name: [] for name in canvas.nodes}
    for place, edge in enumerate(objects(raw.get("edges"))):
        source, target = canvas.ids.get(text(edge.get("from"))), canvas.ids.get(text(edge.get("to")))
        if source is None or target is None:
            notes.dropped(f"edges.{place}", "It leads from or to an action that is not there.")
        else:
            ways[source].append((target, mapping(edge.get("conditional"))))
            if edge.get("conditional"):
                notes.dropped(
                    f"edges.{place}.conditional", "Conditions look at fields of the form here: write it anew."
                )
    end = canvas.node("end", "end", {"label": "End"})
    for source, targets in ways.items():
        _connect(canvas, notes, source, targets, end)
    return canvas.drawing()


def _add_action(canvas: Canvas, notes: Notes, action: Mapping[str, Any], path: str) -> None:
    kind, inputs = text(action.get("kind"), 100), mapping(action.get("inputs"))
    type_ = kind if kind in TYPES else "approver" if "approv" in kind.lower() else f"workflow.{kind or 'step'}"
    if type_ != kind:
        notes.guessed(f"{path}.kind", f"The kind {kind!r} became the type {type_}.")
    wanted = text(action.get("id"))
    label = text(action.get("name")) or wanted
    name = canvas.node(wanted, type_, {**inputs, "label": label, "description": text(action.get("description"), 2000)})
    if name != wanted:
        notes.guessed(f"{path}.id", f"{wanted!r} cannot be an id, or is used twice; it became {name}.")
    notes.rest(path, action, _ACTION)


def _connect(canvas: Canvas, notes: Notes, source: str, targets: list[tuple[str, Mapping[str, Any]]], end: str) -> None:
    if len(targets) < 2:
        canvas.edge(source, targets[0][0] if targets else end)
        return
    # Without conditions, all of them are taken.
    conditional = any(condition for _, condition in targets)
    fork = canvas.node(f"{source}_ways", "condition" if conditional else "parallel", {"label": "?"})
    notes.guessed(f"edges.{source}", f"Several edges leave {source}: the node {fork} was put between them.")
    canvas.edge(source, fork)
    # The one without a condition is for everything else.
    plain = next((place for place, (_, condition) in enumerate(targets) if not condition), len(targets) - 1)
    for order, (target, _) in enumerate(targets):
        data = {"default": True} if conditional and order == plain else {"order": order + 1}
        canvas.edge(fork, target, data=data)
