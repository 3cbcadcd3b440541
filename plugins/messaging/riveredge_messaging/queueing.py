"""Hands deliveries over to be made now."""

from collections.abc import Iterable

from riveredge_messaging.events import DELIVERY_QUEUED, DeliveryRef
from riveredge_messaging.models import Delivery, DeliveryStatus
from riveredge_sdk import publish


def queue(deliveries: Iterable[Delivery]) -> None:
    """Let deliveries be made when the unit of work commits. Sets their status."""
    for delivery in deliveries:
        delivery.status = DeliveryStatus.QUEUED
        publish(
            DELIVERY_QUEUED,
            DeliveryRef(
                delivery_id=delivery.id,
                message_id=delivery.message_id,
                channel=delivery.channel,
                round=delivery.version,
            ),
        )
