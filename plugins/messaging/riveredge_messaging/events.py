"""What happens to messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk import EventType
from riveredge_sdk.watching import WatchedEvent


class DeliveriesRef(BaseModel):
    """Deliveries of one channel: one, or many that go the same way at the same time."""

    channel: str
    deliveries: list[UUID]


class DeliveriesDue(DeliveriesRef):
    """Deliveries that are to be made now. `reserved`: their place in the rates is taken already."""

    reserved: bool = False


class ConfigRef(BaseModel):
    """A configuration of a provider, and what somebody has to mend about it."""

    config: str
    title: str
    fault: str


class NoticesRef(BaseModel):
    """What a provider told of messages, in rows that are to be applied."""

    config: str
    notices: list[UUID]


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
MESSAGE_MOVED = EventType("messaging/message.moved", MessageRef, "Deliveries of a message have changed")
MESSAGE_CANCELLED = EventType("messaging/message.cancelled", MessageRef, "A message was cancelled")
DIGEST_DUE = EventType("messaging/digest.due", DigestRef, "A digest is to be sent")
DELIVERY_RELEASED = EventType("messaging/delivery.released", HeldRef, "A rule holds deliveries no longer")
DELIVERY_QUEUED = EventType("messaging/delivery.queued", DeliveriesDue, "Messages are to be delivered")
DELIVERY_SENT = EventType("messaging/delivery.sent", DeliveriesRef, "Messages were taken by their channel")
DELIVERY_FAILED = EventType("messaging/delivery.failed", DeliveriesRef, "Messages could not be delivered")
CONFIG_FAILED = EventType("messaging/config.failed", ConfigRef, "A configuration was taken out of use")
NOTICES_RECEIVED = EventType("messaging/notices.received", NoticesRef, "A provider has reported on messages")


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


class AddressClaimed(BaseModel):
    """Somebody says that an address is theirs; a code is to prove it."""

    address_id: UUID
    pending: str


class RuleDue(BaseModel):
    """What a notification rule has planned."""

    firing_id: UUID


RULE_EVENT = EventType("messaging/rule.event", WatchedEvent, "Something happened that notification rules are about")
RULE_DUE = EventType("messaging/rule.due", RuleDue, "The time of what a notification rule has planned has come")
ADDRESS_CLAIMED = EventType("messaging/address.claimed", AddressClaimed, "An address is to be proved")
INBOX_ANSWERED = EventType("messaging/inbox.answered", InboxAnswered, "A button of a message was pressed")
SNOOZE_ENDED = EventType("messaging/inbox.snooze_ended", SnoozeEnded, "A snoozed message comes back")

EVENTS = (
    MESSAGE_DUE,
    MESSAGE_RESUMED,
    MESSAGE_MOVED,
    MESSAGE_CANCELLED,
    DIGEST_DUE,
    DELIVERY_RELEASED,
    DELIVERY_QUEUED,
    DELIVERY_SENT,
    DELIVERY_FAILED,
    CONFIG_FAILED,
    NOTICES_RECEIVED,
    INBOX_ANSWERED,
    SNOOZE_ENDED,
    ADDRESS_CLAIMED,
    RULE_EVENT,
    RULE_DUE,
)
