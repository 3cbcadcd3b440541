"""Access to the plugin's rows."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_messaging.models import Delivery, InboxItem, Message, Template
from riveredge_sdk import FilterField, Repository


class Templates(Repository[Template]):
    """Tenants' own templates."""

    model = Template
    fields = (FilterField("key", "text", Template.key), FilterField("title", "text", Template.title))
    default_sort = "key"


class Messages(Repository[Message]):
    """Messages."""

    model = Message
    fields = (
        FilterField("template", "text", Message.template),
        FilterField("sender_id", "uuid", Message.sender_id),
        FilterField("correlation", "text", Message.correlation),
    )


class Deliveries(Repository[Delivery]):
    """Deliveries."""

    model = Delivery
    fields = (
        FilterField("message_id", "uuid", Delivery.message_id),
        FilterField("recipient_id", "uuid", Delivery.recipient_id),
        FilterField("channel", "text", Delivery.channel),
        FilterField("status", "text", Delivery.status),
        FilterField("attempts", "integer", Delivery.attempts),
    )


class Inbox(Repository[InboxItem]):
    """In-app inboxes."""

    model = InboxItem
    fields = (
        FilterField("subject", "text", InboxItem.subject),
        FilterField("text", "text", InboxItem.text),
        FilterField("read_at", "datetime", InboxItem.read_at),
    )

    async def unread(self, user_id: UUID) -> int:
        """How many of the user's messages are unread."""
        query = select(func.count(col(InboxItem.id))).where(
            col(InboxItem.recipient_id) == user_id, col(InboxItem.read_at).is_(None)
        )
        return (await self.session.exec(query)).one()
