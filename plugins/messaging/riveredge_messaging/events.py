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


class MessageRef(BaseModel):
    """A message. `round` counts how often it was taken up."""

    message_id: UUID
    round: int = 0


class DigestRef(BaseModel):
    """A digest that is being gathered."""

    bucket_id: UUID


class HeldRef(BaseModel):
    """Deliveries that a rule has held until now."""

    deliveries: list[UUID]


MESSAGE_DUE = EventType("messaging/message.due", MessageRef, "A message is to go out to all it is for")
MESSAGE_RESUMED = EventType("messaging/message.resumed", MessageRef, "What was stopped of a message is to go on")
MESSAGE_CANCELLED = EventType("messaging/message.cancelled", MessageRef, "A message was cancelled")
DIGEST_DUE = EventType("messaging/digest.due", DigestRef, "A digest is to be sent")
DELIVERY_RELEASED = EventType("messaging/delivery.released", HeldRef, "A rule holds deliveries no longer")
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

EVENTS = (
    MESSAGE_DUE,
    MESSAGE_RESUMED,
    MESSAGE_CANCELLED,
    DIGEST_DUE,
    DELIVERY_RELEASED,
    DELIVERY_QUEUED,
    DELIVERY_SENT,
    DELIVERY_FAILED,
    INBOX_ANSWERED,
    SNOOZE_ENDED,
)
