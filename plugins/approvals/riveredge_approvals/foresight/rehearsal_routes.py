"""`/api/v1/approvals/processes/{id}/rehearse` and `/rehearsals`: what a draft would change."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlmodel import col

from riveredge_approvals.foresight.models import RehearsalLine
from riveredge_approvals.foresight.rehearsal_schemas import RehearsalOut, RehearsedOut, RehearseIn
from riveredge_approvals.foresight.rehearsing import REHEARSAL
from riveredge_approvals.permissions import PROCESS_WRITE
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import ListQuery, Page, Router

router = Router(tag="Approvals: rehearsals")


@router.post(
    "/processes/{process_id}/rehearse",
    require=PROCESS_WRITE,
    status=202,
    summary="Run past requests through the draft",
)
async def rehearse_process(process_id: UUID, body: RehearseIn, response: Response) -> RehearsalOut:
    """Goes on in the background; `Location` says how far it is. Nothing of the requests is changed."""
    process = await Processes().get(process_id, lock=True)
    made = await REHEARSAL.ask(process, body.begin, body.end, body.limit)
    response.headers["Location"] = f"/api/v1/approvals/rehearsals/{made.id}"
    return RehearsalOut.model_validate(made)


@router.get("/rehearsals", require=PROCESS_WRITE, summary="List rehearsals")
async def list_rehearsals(query: Annotated[ListQuery, Query()]) -> Page[RehearsalOut]:
    return await REHEARSAL.rows.page(query, into=RehearsalOut)


@router.get("/rehearsals/{rehearsal_id}", require=PROCESS_WRITE, summary="How far it is, and what it has found")
async def get_rehearsal(rehearsal_id: UUID) -> RehearsalOut:
    return RehearsalOut.model_validate(await REHEARSAL.rows.get(rehearsal_id))


@router.get("/rehearsals/{rehearsal_id}/requests", require=PROCESS_WRITE, summary="What it has found of each request")
async def list_rehearsed(rehearsal_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[RehearsedOut]:
    await REHEARSAL.rows.get(rehearsal_id)
    return await REHEARSAL.lines.page(query, col(RehearsalLine.rehearsal_id) == rehearsal_id, into=RehearsedOut)


@router.post("/rehearsals/{rehearsal_id}/cancel", require=PROCESS_WRITE, status=200, summary="Stop it")
async def cancel_rehearsal(rehearsal_id: UUID) -> RehearsalOut:
    """What it has found so far stays, and is summed up."""
    return RehearsalOut.model_validate(await REHEARSAL.cancel(rehearsal_id))
