"""How far messages are: derived from their deliveries, never written down."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_messaging.models import Delivery, DeliveryStatus, Message, Stage
from riveredge_messaging.schemas import MessageStatus, Progress
from riveredge_sdk import session

OPEN = frozenset({DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, "sending"})
GOOD = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED, "opened", DeliveryStatus.DIGESTED})
# Nobody is at fault that these were not sent: the person does not want it, or it was too late.
WITHOUT = frozenset({DeliveryStatus.SKIPPED, DeliveryStatus.SUPPRESSED, DeliveryStatus.CANCELLED})


async def progress_of(messages: Sequence[Message]) -> dict[UUID, Progress]:
    """How far each of the messages is."""
    query = (
        select(Delivery.message_id, Delivery.status, func.count())
        .where(col(Delivery.message_id).in_([message.id for message in messages]))
        .group_by(col(Delivery.message_id), col(Delivery.status))
    )
    counts: dict[UUID, dict[str, int]] = {message.id: {} for message in messages}
    for message_id, status, count in (await session().exec(query)).all():
        counts[message_id][status] = count
    return {
        message.id: Progress(
            status=status_of(message, counts[message.id]),
            recipients=message.recipients,
            complete=message.stage == Stage.READY,
            deliveries=counts[message.id],
        )
        for message in messages
    }


def status_of(message: Message, counts: Mapping[str, int]) -> MessageStatus:
    """The one word for a message. While anything is open it is `sending`, never done."""
    if message.cancelled_at is None:
        if message.paused_at is not None:
            return "paused"
        if message.stage != Stage.READY:
            return "scheduled" if message.stage == Stage.SCHEDULED else "sending"
    if _sum(counts, OPEN):
        return "sending"
    good, without = _sum(counts, GOOD), _sum(counts, WITHOUT)
    bad = sum(counts.values()) - good - without
    if good and not bad:
        return "delivered"
    if bad:
        return "partly_failed" if good else "failed"
    return "cancelled" if message.cancelled_at is not None else "skipped"


def totals(progress: Progress) -> dict[str, int]:
    """The numbers of a message: of people, and of deliveries that are open, done, failed, or were not to be sent."""
    counts = progress.deliveries
    every, open_ones = sum(counts.values()), _sum(counts, OPEN)
    done, unsent = _sum(counts, GOOD), _sum(counts, WITHOUT)
    return {
        "recipients": progress.recipients,
        "deliveries": every,
        "open": open_ones,
        "done": done,
        "failed": every - open_ones - done - unsent,
        "unsent": unsent,
    }


def _sum(counts: Mapping[str, int], states: Iterable[str]) -> int:
    return sum(counts.get(state, 0) for state in states)
