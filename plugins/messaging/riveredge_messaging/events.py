"""What happens to messages."""

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

EVENTS = (DELIVERY_QUEUED, DELIVERY_SENT, DELIVERY_FAILED)
