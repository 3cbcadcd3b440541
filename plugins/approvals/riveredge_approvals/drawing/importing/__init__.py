"""Take drawings of other designers: pure functions, which say what they dropped and what they guessed.

imported = import_drawing(document)
imported.drawing, imported.notes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.flowlong import FlowLong
from riveredge_approvals.drawing.importing.nested import Dialect, Form, Walker
from riveredge_approvals.drawing.importing.notes import Note, Notes
from riveredge_approvals.drawing.importing.react_flow import import_graph
from riveredge_approvals.drawing.importing.reading import ImportFailedError, mapping, objects, text
from riveredge_approvals.drawing.importing.ruoyi import Ruoyi
from riveredge_approvals.drawing.importing.workflow_kit import import_workflow

Format: TypeAlias = Literal[
    "flow/1", "react-flow", "proflow-view", "proflow-editor", "workflow-kit", "flowlong", "ruoyi"
]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Imported:
    """A drawing, as it may be kept. `name` and `key` are empty, and `form` is None, where the document says nothing."""

    format: Format
    drawing: dict[str, Any]
    form: dict[str, Any] | None
    name: str
    key: str
    notes: list[Note]


def find_format(raw: Mapping[str, Any]) -> Format:
    """Which of the formats a document has.

    Raises:
        ImportFailedError: none.
    """
    nodes = raw.get("nodes")
    if raw.get("schema") == "flow/1":
        return "flow/1"
    if "nodeConfig" in raw or "nodeName" in raw:
        return "flowlong"
    if isinstance(raw.get("actions"), list) and isinstance(raw.get("edges"), list):
        return "workflow-kit"
    if "simpleModel" in raw or (isinstance(raw.get("type"), int) and "id" in raw):
        return "ruoyi"
    if isinstance(nodes, Mapping) or "flattenNodes" in raw:
        return "proflow-editor"
    if isinstance(nodes, list):
        return "react-flow" if any("position" in node for node in objects(nodes)) else "proflow-view"
    raise ImportFailedError(f"It is none of these: {', '.join(FORMATS)}.")


def import_drawing(raw: Mapping[str, Any], format_: Format | None = None) -> Imported:
    """A document of another designer as a drawing.

    Args:
        format_: its format; None: it is found out.

    Raises:
        ImportFailedError: it has none of the formats, or nothing in it.
    """
    found, notes = format_ or find_format(raw), Notes()
    drawing, form = _READERS[found](raw, notes)
    if not drawing.get("nodes"):
        raise ImportFailedError(f"There are no nodes in it: it is no drawing of the format {found}.")
    name, key = text(raw.get("name") or raw.get("title")), text(raw.get("key"), 100)
    return Imported(found, drawing, form, name, key, notes.found)


def _own(raw: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    notes.rest("", raw, _OWN)
    drawing = {key: raw[key] for key in ("settings", "nodes", "edges", "viewport") if raw.get(key) is not None}
    form = raw.get("form")
    return {"schema": "flow/1", **drawing}, dict(form) if isinstance(form, Mapping) else None


_OWN = frozenset({"schema", "settings", "nodes", "edges", "viewport", "form", "name", "key"})


def _graph(raw: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], None]:
    return import_graph(raw, notes), None


def _workflow(raw: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], None]:
    return import_workflow(raw, notes), None


def _flowlong(raw: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    form = Form()
    root = mapping(raw.get("nodeConfig")) or raw
    return _nested(root, "nodeConfig", notes, FlowLong(notes, form), form)


def _ruoyi(raw: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    form = Form()
    root = mapping(raw.get("simpleModel")) or raw
    return _nested(root, "simpleModel", notes, Ruoyi(notes, form), form)


def _nested(
    root: Mapping[str, Any], path: str, notes: Notes, dialect: Dialect, form: Form
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    canvas = Canvas()
    if not any(key in root for key in ("childNode", "type", "nodeName")):
        return {}, None
    Walker(canvas, notes, dialect).draw(root, path)
    if not form.properties:
        return canvas.drawing(), None
    notes.guessed("form", f"Fields were made of what is named: {', '.join(form.properties)}. Look at their types.")
    return canvas.drawing(), {"type": "object", "properties": form.properties}


_READERS: Mapping[Format, Callable[[Mapping[str, Any], Notes], tuple[dict[str, Any], dict[str, Any] | None]]] = {
    "flow/1": _own,
    "react-flow": _graph,
    "proflow-view": _graph,
    "proflow-editor": _graph,
    "workflow-kit": _workflow,
    "flowlong": _flowlong,
    "ruoyi": _ruoyi,
}

__all__ = ["FORMATS", "Format", "ImportFailedError", "Imported", "Note", "find_format", "import_drawing"]
