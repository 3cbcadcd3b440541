"""`/api/v1/messaging/messages`: send messages, and see what became of them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.models import Delivery
from riveredge_messaging.permissions import MESSAGE_READ, MESSAGE_SEND
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_messaging.schemas import DeliveryOut, MessageDetail, MessageIn, MessageOut
from riveredge_messaging.service import Messaging
from riveredge_sdk import ListQuery, Page, Router
from riveredge_sdk.features.messaging import Notification

router = Router(prefix="/messages", tag="Messaging: messages", audit="messaging.message")
messages = Messages()
deliveries = Deliveries()
messaging = Messaging()


@router.get(require=MESSAGE_READ, summary="List messages")
async def list_messages(query: Annotated[ListQuery, Query()]) -> Page[MessageOut]:
    return await messages.page(query, into=MessageOut)


@router.get("/{message_id}", require=MESSAGE_READ, summary="One message with its deliveries")
async def get_message(message_id: UUID) -> MessageDetail:
    return await _detail(message_id)


@router.post(require=MESSAGE_SEND, status=202, summary="Send a message")
async def send_message(body: MessageIn) -> MessageDetail:
    """Accepts the message; durable functions deliver it after this answer."""
    message = await messaging.send(Notification(**body.model_dump()))
    return await _detail(message.id)


async def _detail(message_id: UUID) -> MessageDetail:
    message = MessageOut.model_validate(await messages.get(message_id))
    query = ListQuery(limit=200, sort="created_at")
    found: list[DeliveryOut] = []
    while len(found) < 1000:
        page = await deliveries.page(query, col(Delivery.message_id) == message_id, into=DeliveryOut)
        found += page.items
        if page.next is None:
            break
        query = query.model_copy(update={"cursor": page.next})
    return MessageDetail(**message.model_dump(), deliveries=found)
