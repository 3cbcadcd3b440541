"""`/api/v1/approvals/handovers`: administrators hand somebody's open tasks over."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from riveredge_approvals.people import handovers
from riveredge_approvals.people.handing_over import HANDOVER
from riveredge_approvals.people.handover_schemas import (
    HandoverIn,
    HandoverLine,
    HandoverOut,
    HandoverPreview,
    ItemsQuery,
)
from riveredge_approvals.permissions import PEOPLE_ADMIN
from riveredge_sdk import ListQuery, Page, Router

router = Router(prefix="/handovers", tag="Approvals: handovers", audit="approvals.handover")


@router.get(require=PEOPLE_ADMIN, summary="List handovers")
async def list_handovers(query: Annotated[ListQuery, Query()]) -> Page[HandoverOut]:
    """The latest first."""
    return await HANDOVER.rows.page(query, into=HandoverOut)


@router.get("/{handover_id}", require=PEOPLE_ADMIN, summary="One handover, and how far it has come")
async def get_handover(handover_id: UUID) -> HandoverOut:
    return HandoverOut.model_validate(await HANDOVER.rows.get(handover_id))


@router.get("/{handover_id}/items", require=PEOPLE_ADMIN, summary="What came of each task")
async def list_handover_items(handover_id: UUID, query: Annotated[ItemsQuery, Query()]) -> Page[HandoverLine]:
    await HANDOVER.rows.get(handover_id)
    return await handovers.items_of(handover_id, query)


@router.post("/preview", require=PEOPLE_ADMIN, status=200, audit=False, summary="What a handover would do")
async def preview_handover(body: HandoverIn) -> HandoverPreview:
    """Who would be asked instead on each open task, or why it would be refused; of the first 200. Nothing changes."""
    await handovers.check(body)
    return HandoverPreview(items=await handovers.preview(body))


@router.post(require=PEOPLE_ADMIN, status=202, summary="Hand somebody's tasks over")
async def create_handover(body: HandoverIn, response: Response) -> HandoverOut:
    """All tasks that are open now, each by itself: one that cannot be handed over does not keep the others from it.

    `Location` says how far it is.
    """
    await handovers.check(body)
    made = await HANDOVER.ask(body)
    response.headers["Location"] = f"/api/v1/approvals/handovers/{made.id}"
    return HandoverOut.model_validate(made)


@router.post("/{handover_id}/cancel", require=PEOPLE_ADMIN, status=200, summary="Stop it")
async def cancel_handover(handover_id: UUID) -> HandoverOut:
    """Tasks that it has not come to stay where they are; those it has handed over do not come back."""
    return HandoverOut.model_validate(await HANDOVER.cancel(handover_id))
