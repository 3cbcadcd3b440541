"""`/api/v1/messaging/suppressions`: addresses that get nothing any more."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_messaging.delivery.repository import Suppressions
from riveredge_messaging.delivery.schemas import SuppressionIn, SuppressionOut, SuppressionQuery
from riveredge_messaging.feedback import suppression
from riveredge_messaging.permissions import SUPPRESSION_READ, SUPPRESSION_WRITE
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import NotFound

router = Router(prefix="/suppressions", tag="Messaging: suppressed addresses", audit="messaging.suppression")
suppressions = Suppressions()


@router.get(require=SUPPRESSION_READ, summary="List suppressed addresses")
async def list_suppressions(query: Annotated[ListQuery, Query()]) -> Page[SuppressionOut]:
    return await suppressions.page(query, into=SuppressionOut)


@router.get("/{suppression_id}", require=SUPPRESSION_READ, summary="One suppressed address")
async def get_suppression(suppression_id: UUID) -> SuppressionOut:
    return SuppressionOut.model_validate(await suppressions.get(suppression_id))


@router.post("/look-up", require=SUPPRESSION_READ, audit=False, status=200, summary="Whether an address is suppressed")
async def look_up_suppression(body: SuppressionQuery) -> SuppressionOut:
    """The list holds digests and hints only, so an address is looked up here."""
    found = await suppression.find(body.channel, suppression.checked(body.channel, body.address))
    if found is None:
        raise NotFound("The address is not suppressed.")
    return SuppressionOut.model_validate(found)


@router.post(require=SUPPRESSION_WRITE, summary="Suppress an address")
async def add_suppression(body: SuppressionIn) -> SuppressionOut:
    return SuppressionOut.model_validate(await suppression.add_by_hand(body.channel, body.address, body.detail))


@router.delete("/{suppression_id}", require=SUPPRESSION_WRITE, summary="Let an address get messages again")
async def delete_suppression(suppression_id: UUID, version: ExpectedVersion) -> None:
    await suppressions.delete(await suppressions.get(suppression_id, version=version, lock=True))
