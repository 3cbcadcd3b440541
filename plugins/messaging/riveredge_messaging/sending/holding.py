"""Deliveries that wait: one timer for many that become due at the same instant."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from riveredge_messaging.events import DELIVERY_RELEASED, HeldRef
from riveredge_messaging.models import Delivery
from riveredge_sdk import timers, uuid7

# One run looks at so many again, in one transaction.
CHUNK = 50


async def hold(deliveries: Iterable[Delivery]) -> None:
    """Look at deliveries again at their `due_at`. What became of them meanwhile, the row says."""
    due: dict[datetime, list[UUID]] = {}
    for delivery in deliveries:
        assert delivery.due_at is not None  # noqa: S101
        due.setdefault(delivery.due_at, []).append(delivery.id)
    for due_at, ids in due.items():
        for first in range(0, len(ids), CHUNK):
            ref = HeldRef(deliveries=ids[first : first + CHUNK])
            await timers.set(timers.Owner("messaging.held", uuid7()), "release", due_at, DELIVERY_RELEASED, ref)
