"""Bodies and answers of imports and exports."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from riveredge_approvals.drawing.importing import Format
from riveredge_approvals.processes.schemas import DraftOut, Key, ProcessOut, Title
from riveredge_sdk import Body

Document = Annotated[
    dict[str, Any] | Annotated[str, Field(max_length=1_000_000)],
    Field(description="Of another designer; or its JSON as a text, which may nest as deep as nested designers do."),
]
Named = Annotated[Format | None, Field(description="Its format; null: it is found out.")]


class ImportIn(Body):
    """What becomes the draft."""

    document: Document
    format: Named = None
    revision: Annotated[int, Field(ge=1, le=2**31 - 1, description="The `revision` of the draft that it replaces.")]


class ImportNewIn(Body):
    """What becomes a process."""

    document: Document
    format: Named = None
    key: Annotated[Key | None, Field(description="Null: the document's.")] = None
    title: Annotated[Title | None, Field(description="Null: the document's name.")] = None


class NoteOut(BaseModel):
    """Something that could not be taken as it was."""

    kind: Literal["dropped", "guessed"] = Field(description="`guessed` is in the drawing, and wants a look.")
    path: str = Field(description="In the document.")
    message: str


class ImportOut(BaseModel):
    """What came of an import."""

    format: Format
    notes: list[NoteOut]
    draft: DraftOut


class ImportNewOut(ImportOut):
    """What came of an import that made a process."""

    process: ProcessOut


class ExportOut(BaseModel):
    """A drawing with its name, key and form: a document of the format `flow/1`, which can be imported again."""

    schema_: Annotated[Literal["flow/1"], Field(alias="schema")] = "flow/1"
    name: str
    key: str
    settings: dict[str, Any]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    viewport: dict[str, Any] | None = None
    form: dict[str, Any]
