"""`/api/v1/approvals/processes`: draw, publish, roll back, archive."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlmodel import col

from riveredge_approvals.models import ProcessVersion
from riveredge_approvals.permissions import PROCESS_PUBLISH, PROCESS_READ, PROCESS_WRITE
from riveredge_approvals.processes import service
from riveredge_approvals.processes.repository import Processes, Versions
from riveredge_approvals.processes.schemas import (
    DraftIn,
    DraftOut,
    ProcessChange,
    ProcessIn,
    ProcessOut,
    PublishIn,
    RollBackIn,
    VersionDetail,
    VersionOut,
)
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import NotFound

router = Router(prefix="/processes", tag="Approvals: processes", audit="approvals.process")
processes = Processes()


@router.get(require=PROCESS_READ, summary="List processes")
async def list_processes(query: Annotated[ListQuery, Query()]) -> Page[ProcessOut]:
    return await processes.page(query, into=ProcessOut)


@router.post(require=PROCESS_WRITE, summary="Make a process")
async def create_process(body: ProcessIn) -> ProcessOut:
    return ProcessOut.model_validate(await service.create(body))


@router.get("/{process_id}", require=PROCESS_READ, summary="One process")
async def get_process(process_id: UUID) -> ProcessOut:
    return ProcessOut.model_validate(await processes.get(process_id))


@router.patch("/{process_id}", require=PROCESS_WRITE, summary="Change a process's texts")
async def change_process(process_id: UUID, body: ProcessChange, version: ExpectedVersion) -> ProcessOut:
    row = await processes.get(process_id, version=version, lock=True)
    return ProcessOut.model_validate(await processes.change(row, body.given()))


@router.delete("/{process_id}", require=PROCESS_WRITE, summary="Delete a process without requests")
async def delete_process(process_id: UUID, version: ExpectedVersion) -> None:
    await service.delete(await processes.get(process_id, version=version, lock=True))


@router.get("/{process_id}/draft", require=PROCESS_READ, summary="The drawing being worked on")
async def get_draft(process_id: UUID) -> DraftOut:
    return service.show_draft(await processes.get(process_id))


@router.put("/{process_id}/draft", require=PROCESS_WRITE, summary="Keep the drawing", max_body_size=1_000_000)
async def put_draft(process_id: UUID, body: DraftIn) -> DraftOut:
    return await service.write_draft(await processes.get(process_id, lock=True), body)


@router.post("/{process_id}/publish", require=PROCESS_PUBLISH, summary="Publish the draft as a new version")
async def publish_process(process_id: UUID, body: PublishIn) -> VersionOut:
    process = await processes.get(process_id, lock=True)
    return _version(await service.publish(process, body))


@router.post("/{process_id}/roll-back", require=PROCESS_PUBLISH, summary="Publish an earlier version anew")
async def roll_back_process(process_id: UUID, body: RollBackIn) -> VersionOut:
    """What the version names is looked up as when a draft is published: it may be gone since."""
    process = await processes.get(process_id, lock=True)
    return _version(await service.roll_back(process, body))


@router.post("/{process_id}/archive", require=PROCESS_PUBLISH, status=200, summary="Take no new requests")
async def archive_process(process_id: UUID) -> ProcessOut:
    process = await processes.get(process_id, lock=True)
    return ProcessOut.model_validate(await service.archive(process, archived=True))


@router.post("/{process_id}/unarchive", require=PROCESS_PUBLISH, status=200, summary="Take requests again")
async def unarchive_process(process_id: UUID) -> ProcessOut:
    process = await processes.get(process_id, lock=True)
    return ProcessOut.model_validate(await service.archive(process, archived=False))


@router.get("/{process_id}/versions", require=PROCESS_READ, summary="Its published versions")
async def list_versions(process_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[VersionOut]:
    await processes.get(process_id)
    return await Versions().page(query, col(ProcessVersion.process_id) == process_id, into=VersionOut)


@router.get("/{process_id}/versions/{number}", require=PROCESS_READ, summary="One version")
async def get_version(process_id: UUID, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> VersionDetail:
    process = await processes.get(process_id)
    found = await Versions().find(col(ProcessVersion.process_id) == process.id, col(ProcessVersion.number) == number)
    if found is None:
        raise NotFound(f"{process.key!r} has no version {number}.")
    return VersionDetail.model_validate(found, from_attributes=True)


def _version(row: ProcessVersion) -> VersionOut:
    return VersionOut.model_validate(row, from_attributes=True)
