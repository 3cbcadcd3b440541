"""`/api/v1/approvals/processes/{id}/versions/{a}/diff`: what is different between two drawings."""

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, Field

from riveredge_approvals.drawing.comparing import compare
from riveredge_approvals.drawing.compiling import CompileError, compile_flow
from riveredge_approvals.drawing.documents import read_diagram
from riveredge_approvals.models import Process
from riveredge_approvals.permissions import PROCESS_READ
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.processes.service import find_version
from riveredge_sdk import Router

router = Router(prefix="/processes", tag="Approvals: processes")
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


class ChangeOut(BaseModel):
    """One field, before and after; null where it was, or is, not there."""

    field: str = Field(description="`type`, `data.mode`, `properties.amount`, …")
    before: Any
    after: Any


class PartsOut(BaseModel):
    """What became of nodes, or of edges, by their ids."""

    added: list[str]
    removed: list[str]
    changed: dict[str, list[ChangeOut]] = Field(description="By id, the fields that differ.")
    moved: list[str] = Field(description="Those of which only the place on the canvas has changed.")


class DiffOut(BaseModel):
    """What is different between two drawings of a process."""

    before: int
    after: int | Literal["draft"]
    same_behaviour: bool | None = Field(description="They do the same; null while the draft cannot be compiled.")
    nodes: PartsOut
    edges: PartsOut
    settings: list[ChangeOut]
    form: list[ChangeOut]


@router.get(
    "/{process_id}/versions/{number}/diff", require=PROCESS_READ, summary="What differs between versions, or the draft"
)
async def compare_versions(
    process_id: UUID,
    number: Annotated[int, Path(ge=1, le=2**31 - 1, description="The version to compare.")],
    to: Annotated[Number | Literal["draft"], Query(description="The other version, or the draft.")] = "draft",
) -> DiffOut:
    process = await Processes().get(process_id)
    old = await find_version(process, number)
    drawing, form, checksum = await _other(process, to)
    found = compare(read_diagram(old.diagram)[0], read_diagram(drawing)[0], old.form_schema, form)
    return DiffOut(
        before=number,
        after=to,
        same_behaviour=old.checksum == checksum if checksum is not None else None,
        **asdict(found),
    )


async def _other(process: Process, to: int | Literal["draft"]) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    if to != "draft":
        version = await find_version(process, to)
        return version.diagram, version.form_schema, version.checksum
    try:
        checksum: str | None = compile_flow(read_diagram(process.draft)[0], process.form_schema).checksum
    except CompileError:
        checksum = None
    return process.draft, process.form_schema, checksum
