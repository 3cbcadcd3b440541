"""`flow/1`: the drawing of a process, as the designer keeps it.

Every key is React Flow's own, so that its 11th and 12th version read a drawing unchanged. What React Flow works out by
itself is not kept. Unknown keys are kept in `data`, and dropped and reported elsewhere.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riveredge_sdk.problems import FieldError, field_errors

SCHEMA: Final = "flow/1"
MAX_BYTES: Final = 512 * 1024
# More than the validation lets pass, so that a drawing that is too large can still be kept and mended.
MAX_PARTS: Final = 5000
MAX_DEPTH: Final = 32
ID = r"^[A-Za-z0-9_-]{1,64}$"

Id = Annotated[str, Field(pattern=ID)]


class Part(BaseModel):
    """Base of the drawing's parts."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, allow_inf_nan=False)


class Position(Part):
    """Where a node is on the canvas."""

    x: float = 0
    y: float = 0


class Viewport(Position):
    """What of the canvas is seen."""

    zoom: float = 1


class DrawnNode(Part):
    """A node. What its `data` holds depends on its type (see `nodes`)."""

    id: Id
    type: Annotated[str, Field(max_length=100)]
    position: Position = Position()
    data: Annotated[dict[str, Any], Field(default_factory=dict)]
    parent_id: Annotated[Id | None, Field(alias="parentId")] = None


class DrawnEdge(Part):
    """An edge. Those that leave a node where ways part have `order`, `when` and `default` in their `data`."""

    id: Id
    source: Id
    target: Id
    source_handle: Annotated[str | None, Field(alias="sourceHandle", max_length=64)] = None
    target_handle: Annotated[str | None, Field(alias="targetHandle", max_length=64)] = None
    label: Annotated[str | None, Field(max_length=500)] = None
    data: Annotated[dict[str, Any], Field(default_factory=dict)]


class Diagram(Part):
    """A whole drawing. `settings` are read by `settings.DrawnSettings`."""

    schema_: Annotated[Literal["flow/1"], Field(alias="schema")] = "flow/1"
    settings: Annotated[dict[str, Any], Field(default_factory=dict)]
    nodes: Annotated[list[DrawnNode], Field(default_factory=list, max_length=MAX_PARTS)]
    edges: Annotated[list[DrawnEdge], Field(default_factory=list, max_length=MAX_PARTS)]
    viewport: Viewport | None = None

    def dump(self) -> dict[str, Any]:
        """As it is kept and shown; what has no value is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class BadSchemaError(ValueError):
    """It is no drawing: `code` is `badSchema` or `tooLarge`, `errors` say where."""

    def __init__(self, message: str, code: str = "badSchema", errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.errors = tuple(errors)


def read_diagram(raw: Mapping[str, Any], *, where: str = "diagram") -> tuple[Diagram, list[str]]:
    """A drawing, and the paths of what was dropped from it: `nodes.3.width`.

    Raises:
        BadSchemaError: it is none, or larger than 512 KB.
    """
    if _nests_deeper(raw, MAX_DEPTH):
        raise BadSchemaError(f"It is no drawing: it nests more than {MAX_DEPTH} levels deep.")
    if len(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BYTES:
        raise BadSchemaError(f"A drawing has at most {MAX_BYTES // 1024} KB.", "tooLarge")
    if raw.get("schema", SCHEMA) != SCHEMA:
        error = FieldError(f"{where}.schema", f"Expected {SCHEMA!r}.", "badSchema")
        raise BadSchemaError(f"It is no drawing of the form {SCHEMA}.", errors=[error])
    try:
        diagram = Diagram.model_validate(raw)
    except ValidationError as error:
        errors = field_errors(error.errors(), raw, under=[where])
        raise BadSchemaError(f"It is no drawing: {len(errors)} part(s) to mend.", errors=errors) from None
    return diagram, list(_dropped(raw))


def _nests_deeper(raw: Any, most: int) -> bool:
    level: list[Any] = [raw]
    for _ in range(most):
        level = [inner for part in level if isinstance(part, Mapping | list) for inner in _within(part)]
    return any(isinstance(part, Mapping | list) for part in level)


def _within(part: Mapping[str, Any] | list[Any]) -> Iterable[Any]:
    return part.values() if isinstance(part, Mapping) else part


def _dropped(raw: Mapping[str, Any]) -> list[str]:
    found = _unknown(Diagram, raw, "")
    for name, model in (("nodes", DrawnNode), ("edges", DrawnEdge)):
        for index, part in enumerate(raw.get(name, ())):
            found += _unknown(model, part, f"{name}.{index}.")
    for index, node in enumerate(raw.get("nodes", ())):
        found += _unknown(Position, node.get("position", {}), f"nodes.{index}.position.")
    return found


def _unknown(model: type[BaseModel], raw: Mapping[str, Any], prefix: str) -> list[str]:
    known = {field.alias or name for name, field in model.model_fields.items()}
    return [prefix + key for key in raw if key not in known]
