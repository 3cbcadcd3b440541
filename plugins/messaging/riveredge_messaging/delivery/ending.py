"""Ends deliveries, and tells others."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_messaging.events import DELIVERY_FAILED, DELIVERY_SENT, DeliveriesRef
from riveredge_messaging.models import Delivery, DeliveryStatus, Verdict
from riveredge_messaging.timeline.decisions import note
from riveredge_sdk import publish, utcnow

MAX_ERROR = 2000


def end(delivery: Delivery, status: DeliveryStatus, *, reason: str, error: str) -> None:
    """End a delivery that nobody gets. Inside a unit of work.

    Args:
        reason: a code of `words`.
        error: for administrators.
    """
    delivery.status, delivery.ended_at, delivery.next_at = status, utcnow(), None
    delivery.error, delivery.reason = error[:MAX_ERROR], reason
    note(
        delivery.message_id,
        rule="delivery",
        verdict=Verdict.STOPPED,
        reason=reason,
        delivery_id=delivery.id,
        recipient_id=delivery.recipient_id,
        detail={"error": error[:500]},
    )
    publish(DELIVERY_FAILED, DeliveriesRef(channel=delivery.channel, deliveries=[delivery.id]))


def tell_sent(channel: str, deliveries: Sequence[UUID]) -> None:
    """Tell others that deliveries were taken. Inside a unit of work."""
    publish(DELIVERY_SENT, DeliveriesRef(channel=channel, deliveries=list(deliveries)))
