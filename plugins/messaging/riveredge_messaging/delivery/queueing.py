"""Hands deliveries over to be made now: few events for many of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from riveredge_messaging.events import DELIVERY_QUEUED, DeliveriesDue
from riveredge_messaging.models import Delivery, DeliveryStatus
from riveredge_sdk import publish, timers, utcnow, uuid7

# One run makes so many, in one transaction before and one after.
CHUNK = 50


def queue(deliveries: Iterable[Delivery]) -> None:
    """Let deliveries be made when the unit of work commits. Sets their status."""
    now = utcnow()
    found = sorted(deliveries, key=lambda delivery: delivery.channel)
    for delivery in found:
        delivery.status, delivery.queued_at, delivery.next_at = DeliveryStatus.QUEUED, now, None
    for channel, same in groupby(found, key=lambda delivery: delivery.channel):
        ids = [delivery.id for delivery in same]
        for first in range(0, len(ids), CHUNK):
            publish(DELIVERY_QUEUED, DeliveriesDue(channel=channel, deliveries=ids[first : first + CHUNK]))


async def queue_later(channel: str, deliveries: Sequence[UUID], due_at: datetime, *, reserved: bool = False) -> None:
    """Let deliveries be made at a later time. Their `next_at` is the caller's to set."""
    for first in range(0, len(deliveries), CHUNK):
        part = list(deliveries[first : first + CHUNK])
        due = DeliveriesDue(channel=channel, deliveries=part, reserved=reserved)
        await timers.set(timers.Owner("messaging.deliveries", uuid7()), "due", due_at, DELIVERY_QUEUED, due)
