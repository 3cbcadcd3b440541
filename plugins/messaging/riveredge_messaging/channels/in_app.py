"""In-app messages: rows of an inbox."""

from uuid import UUID

from sqlmodel import col

from riveredge_messaging.models import InboxItem
from riveredge_messaging.repository import Inbox
from riveredge_messaging.topics import push_inbox
from riveredge_sdk import unit_of_work
from riveredge_sdk.features.messaging import DeliveryResult, MessageChannel, RenderedMessage


class InAppChannel(MessageChannel):
    """Everybody has an inbox."""

    id = "messaging.in_app"
    title = "In-app"
    description = "A notice in the person's inbox."

    async def address_of(self, user_id: UUID) -> str | None:
        return str(user_id)

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        async with unit_of_work():
            if await Inbox().find(col(InboxItem.delivery_id) == message.delivery_id) is None:
                item = await Inbox().add(
                    InboxItem(
                        delivery_id=message.delivery_id,
                        recipient_id=message.recipient_id,
                        subject=message.subject,
                        text=message.text,
                    )
                )
                await push_inbox("added", message.recipient_id, item)
        return DeliveryResult("delivered")
