"""`/api/v1/messaging/deliveries`: each message to each person on each channel."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_messaging.permissions import MESSAGE_READ, MESSAGE_SEND
from riveredge_messaging.repository import Deliveries
from riveredge_messaging.schemas import Count, DeliveryOut, RetryIn
from riveredge_messaging.sending import stopping
from riveredge_sdk import ListQuery, Page, Router

router = Router(prefix="/deliveries", tag="Messaging: deliveries", audit="messaging.delivery")
deliveries = Deliveries()


@router.get(require=MESSAGE_READ, summary="List deliveries")
async def list_deliveries(query: Annotated[ListQuery, Query()]) -> Page[DeliveryOut]:
    return await deliveries.page(query, into=DeliveryOut)


@router.post("/retry", require=MESSAGE_SEND, status=202, summary="Try again all failed deliveries that match")
async def retry_deliveries(body: RetryIn) -> Count:
    """Of up to 200 messages; call it again until it answers 0."""
    condition = deliveries.condition(json.dumps(body.filter) if body.filter else None)
    return Count(deliveries=await stopping.retry_matching(condition))


@router.get("/{delivery_id}", require=MESSAGE_READ, summary="One delivery")
async def get_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await deliveries.get(delivery_id))


@router.post("/{delivery_id}/retry", require=MESSAGE_SEND, status=202, summary="Try a delivery again")
async def retry_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await stopping.retry_delivery(delivery_id))


@router.post("/{delivery_id}/cancel", require=MESSAGE_SEND, status=200, summary="Cancel a delivery")
async def cancel_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await stopping.cancel_delivery(delivery_id))
