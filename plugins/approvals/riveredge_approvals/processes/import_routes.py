"""`/api/v1/approvals/processes/import`, `/processes/{id}/import` and `/export`: drawings from and for elsewhere."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.permissions import PROCESS_READ, PROCESS_WRITE
from riveredge_approvals.processes import transfers
from riveredge_approvals.processes.import_schemas import ExportOut, ImportIn, ImportNewIn, ImportNewOut, ImportOut
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.processes.service import find_version
from riveredge_sdk import Router

router = Router(prefix="/processes", tag="Approvals: processes", audit="approvals.process")
_MAX_BODY = 2_500_000


@router.post("/import", require=PROCESS_WRITE, summary="Make a process of another designer's", max_body_size=_MAX_BODY)
async def import_new_process(body: ImportNewIn) -> ImportNewOut:
    return await transfers.make_process(body, transfers.read(body.document, body.format))


@router.post(
    "/{process_id}/import",
    require=PROCESS_WRITE,
    status=200,
    summary="Make another designer's drawing the draft",
    max_body_size=_MAX_BODY,
)
async def import_draft(process_id: UUID, body: ImportIn) -> ImportOut:
    process = await Processes().get(process_id, lock=True)
    return await transfers.replace_draft(process, transfers.read(body.document, body.format), body.revision)


@router.get("/{process_id}/export", require=PROCESS_READ, summary="A drawing with its name, key and form")
async def export_process(
    process_id: UUID,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Null: the draft.")] = None,
) -> ExportOut:
    process = await Processes().get(process_id)
    if version is None:
        return transfers.export(process, process.draft, process.form_schema)
    found = await find_version(process, version)
    return transfers.export(process, found.diagram, found.form_schema)
