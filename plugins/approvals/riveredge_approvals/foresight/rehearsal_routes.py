"""`/api/v1/approvals/processes/{id}/rehearse` and `/rehearsals`: what a draft would change."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_approvals.foresight import rehearsing
from riveredge_approvals.foresight.models import RehearsalLine
from riveredge_approvals.foresight.rehearsal_schemas import RehearsalOut, RehearsedOut, RehearseIn
from riveredge_approvals.foresight.rehearsing import RehearsalLines, Rehearsals
from riveredge_approvals.permissions import PROCESS_WRITE
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import ListQuery, Page, Router

router = Router(tag="Approvals: rehearsals")
rehearsals = Rehearsals()


@router.post(
    "/processes/{process_id}/rehearse",
    require=PROCESS_WRITE,
    status=202,
    summary="Run past requests through the draft",
)
async def rehearse_process(process_id: UUID, body: RehearseIn) -> RehearsalOut:
    """Goes on in the background; look at `/rehearsals/{id}`. Nothing of the requests is changed."""
    process = await Processes().get(process_id, lock=True)
    return RehearsalOut.model_validate(await rehearsing.prepare(process, body.begin, body.end, body.limit))


@router.get("/rehearsals", require=PROCESS_WRITE, summary="List rehearsals")
async def list_rehearsals(query: Annotated[ListQuery, Query()]) -> Page[RehearsalOut]:
    return await rehearsals.page(query, into=RehearsalOut)


@router.get("/rehearsals/{rehearsal_id}", require=PROCESS_WRITE, summary="How far it is, and what it has found")
async def get_rehearsal(rehearsal_id: UUID) -> RehearsalOut:
    return RehearsalOut.model_validate(await rehearsals.get(rehearsal_id))


@router.get("/rehearsals/{rehearsal_id}/requests", require=PROCESS_WRITE, summary="What it has found of each request")
async def list_rehearsed(rehearsal_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[RehearsedOut]:
    await rehearsals.get(rehearsal_id)
    return await RehearsalLines().page(query, col(RehearsalLine.rehearsal_id) == rehearsal_id, into=RehearsedOut)


@router.post("/rehearsals/{rehearsal_id}/cancel", require=PROCESS_WRITE, status=200, summary="Stop it")
async def cancel_rehearsal(rehearsal_id: UUID) -> RehearsalOut:
    return RehearsalOut.model_validate(await rehearsing.cancel(rehearsal_id))
