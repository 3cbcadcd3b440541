"""What happens to messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk import EventType


class DeliveryRef(BaseModel):
    """A delivery. `round` counts how often it was queued, so that a retry is told from a repeat."""

    delivery_id: UUID
    message_id: UUID
    channel: str
    round: int = 0


DELIVERY_QUEUED = EventType("messaging/delivery.queued", DeliveryRef, "A message is to be delivered")
DELIVERY_SENT = EventType("messaging/delivery.sent", DeliveryRef, "A message was taken by its channel")
DELIVERY_FAILED = EventType("messaging/delivery.failed", DeliveryRef, "A message could not be delivered")


class InboxAnswered(BaseModel):
    """A button of a message was pressed. `correlation` is the message's, and says what it is about."""

    item_id: UUID
    delivery_id: UUID
    message_id: UUID
    correlation: str | None
    user_id: UUID
    action: str
    result: dict[str, Any] | None


class SnoozeEnded(BaseModel):
    """Something in a person's inbox was snoozed until then."""

    user_id: UUID
    until: datetime


INBOX_ANSWERED = EventType("messaging/inbox.answered", InboxAnswered, "A button of a message was pressed")
SNOOZE_ENDED = EventType("messaging/inbox.snooze_ended", SnoozeEnded, "A snoozed message comes back")

EVENTS = (DELIVERY_QUEUED, DELIVERY_SENT, DELIVERY_FAILED, INBOX_ANSWERED, SNOOZE_ENDED)
