"""Cancelling, pausing and taking up again what has been accepted.

Messages are locked before their deliveries, and each of both in the order of their ids: so nobody waits in a circle.
What notes decisions refers to messages whose deliveries it holds; therefore messages are locked without their keys.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, update
from sqlmodel import col, select

from riveredge_messaging.events import MESSAGE_CANCELLED, MESSAGE_DUE, MESSAGE_RESUMED, MessageRef
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, Stage, Verdict
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_messaging.sending.releasing import PAUSE, release_rows
from riveredge_messaging.timeline.decisions import note, note_on
from riveredge_messaging.timeline.live import push_progress
from riveredge_sdk import publish, session, timers, utcnow
from riveredge_sdk.problems import Conflict

RETRY = "retry"
# Not handed over yet.
STOPPABLE = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)
# Ended without success, and worth another try.
RETRIABLE = (
    DeliveryStatus.FAILED,
    DeliveryStatus.FAILED_RENDER,
    DeliveryStatus.UNKNOWN,
    DeliveryStatus.BOUNCED,
    DeliveryStatus.SKIPPED,
    DeliveryStatus.SUPPRESSED,
    DeliveryStatus.CANCELLED,
    DeliveryStatus.EXPIRED,
)
FAILED = (DeliveryStatus.FAILED, DeliveryStatus.FAILED_RENDER)
PAGE = 500
# So many messages are taken up by one request.
MAX_MESSAGES = 200


async def cancel(message: Message) -> int:
    """Cancel what has not been handed over yet; how many deliveries that were. The row is locked.

    Raises:
        Conflict: nothing is left to cancel.
    """
    ready = message.stage == Stage.READY
    count = await _cancel([message])
    if count == 0 and ready:
        raise Conflict("Everything of the message is under way, or has ended.")
    return count


async def cancel_about(correlation: str) -> int:
    """Cancel what has not been handed over yet of all messages about something; how many deliveries that were."""
    query = (
        select(Message)
        .where(col(Message.correlation) == correlation, col(Message.cancelled_at).is_(None))
        .order_by(col(Message.id))
        .with_for_update(key_share=True)
    )
    return await _cancel((await session().exec(query)).all())


async def _cancel(messages: Sequence[Message]) -> int:
    counts = await _move(
        col(Delivery.message_id).in_([message.id for message in messages]),
        STOPPABLE,
        status=DeliveryStatus.CANCELLED,
        reason="cancelled",
        held_by=None,
        due_at=None,
        ended_at=utcnow(),
    )
    for message in messages:
        if message.stage == Stage.READY and not counts[message.id]:
            continue
        message.cancelled_at, message.stage = utcnow(), Stage.READY
        await timers.cancel(timers.Owner("messaging.message", message.id))
        detail = {"deliveries": counts[message.id]}
        note(message.id, rule="cancel", verdict=Verdict.STOPPED, reason="cancelled", detail=detail)
        publish(MESSAGE_CANCELLED, MessageRef(message_id=message.id))
        await push_progress(message)
    return counts.total()


async def cancel_delivery(delivery_id: UUID) -> Delivery:
    """Cancel a delivery that has not been handed over yet.

    Raises:
        Conflict: it is too late.
    """
    delivery = await Deliveries().get(delivery_id, lock=True)
    if delivery.status not in STOPPABLE:
        raise Conflict(f"The delivery is {delivery.status}; only queued and deferred ones can be cancelled.")
    note_on(
        delivery,
        rule="cancel",
        verdict=Verdict.STOPPED,
        reason="cancelled",
    )
    over = {"status": DeliveryStatus.CANCELLED, "reason": "cancelled", "ended_at": utcnow()}
    return await Deliveries().change(delivery, {**over, "held_by": None, "due_at": None})


async def retry_delivery(delivery_id: UUID) -> Delivery:
    """Take up a delivery again that has ended without success; the rules are asked again.

    Raises:
        Conflict: it is under way, or has succeeded.
    """
    seen = await Deliveries().get(delivery_id)
    message = await Messages().get(seen.message_id, lock=True)
    delivery = await Deliveries().get(delivery_id, lock=True)
    if delivery.status not in RETRIABLE:
        raise Conflict(f"The delivery is {delivery.status}; only those that ended without success can be retried.")
    message.cancelled_at = None
    _take_up(delivery)
    await release_rows([delivery])
    return delivery


def _take_up(delivery: Delivery) -> None:
    delivery.status, delivery.held_by = DeliveryStatus.DEFERRED, RETRY
    delivery.error = delivery.ended_at = delivery.reason = delivery.bucket_id = None
    note_on(
        delivery,
        rule="retry",
        verdict=Verdict.INFO,
        reason="retried",
    )


async def pause(message: Message) -> int:
    """Stop a message where it is; how many deliveries that holds. The row is locked.

    Raises:
        Conflict: it is paused or cancelled.
    """
    if message.paused_at is not None or message.cancelled_at is not None:
        raise Conflict("The message is paused already." if message.paused_at else "The message is cancelled.")
    message.paused_at = utcnow()
    counts = await _move(
        col(Delivery.message_id) == message.id,
        (DeliveryStatus.QUEUED,),
        status=DeliveryStatus.DEFERRED,
        reason="paused",
        held_by=PAUSE,
    )
    count = counts.total()
    note(message.id, rule="pause", verdict=Verdict.HELD, reason="paused", detail={"deliveries": count})
    await push_progress(message)
    await session().flush()
    return count


async def resume(message: Message) -> None:
    """Let a paused message go on. The row is locked.

    Raises:
        Conflict: it is not paused.
    """
    if message.paused_at is None:
        raise Conflict("The message is not paused.")
    message.paused_at = None
    note(message.id, rule="pause", verdict=Verdict.INFO, reason="resumed")
    await session().flush()
    ref = MessageRef(message_id=message.id, round=message.version)
    publish(MESSAGE_RESUMED, ref)
    if message.stage == Stage.EXPANDING:
        publish(MESSAGE_DUE, ref)
    await push_progress(message)


async def retry_failed(message: Message, condition: ColumnElement[bool] | None = None) -> int:
    """Take up the deliveries that have failed, or those of them that meet a condition; how many those are.

    The message's row is locked.
    """
    mine = col(Delivery.message_id) == message.id
    counts = await _move(
        mine if condition is None else and_(mine, condition),
        FAILED,
        status=DeliveryStatus.DEFERRED,
        reason=None,
        held_by=RETRY,
        error=None,
        ended_at=None,
    )
    if count := counts.total():
        note(message.id, rule="retry", verdict=Verdict.INFO, reason="retried_many", detail={"deliveries": count})
        await session().flush()
        publish(MESSAGE_RESUMED, MessageRef(message_id=message.id, round=message.version + 1))
        await push_progress(message)
    return count


async def retry_matching(condition: ColumnElement[bool]) -> int:
    """Take up the failed deliveries that meet a condition, of up to `MAX_MESSAGES` messages; how many those are."""
    query = select(Delivery.message_id).where(condition, col(Delivery.status).in_(FAILED)).distinct()
    ids = (await session().exec(query.order_by(col(Delivery.message_id)).limit(MAX_MESSAGES))).all()
    count = 0
    for message_id in ids:
        count += await retry_failed(await Messages().get(message_id, lock=True), condition)
    return count


async def go_on(message_id: UUID) -> int:
    """Release the next page of what was paused or is to be tried again; how many that were."""
    query = (
        select(Delivery)
        .where(
            col(Delivery.message_id) == message_id,
            col(Delivery.status) == DeliveryStatus.DEFERRED,
            col(Delivery.held_by).in_((PAUSE, RETRY)),
        )
        .order_by(col(Delivery.id))
        .limit(PAGE)
        .with_for_update()
    )
    message = await Messages().get(message_id, lock=True)
    if message.paused_at is not None:
        return 0
    rows = (await session().exec(query)).all()
    await release_rows(rows)
    return len(rows)


async def _move(where: ColumnElement[bool], states: Sequence[DeliveryStatus], **values: object) -> Counter[UUID]:
    """Change deliveries that are in one of the states; of each message, how many those were."""
    mine = select(Delivery.id).where(where, col(Delivery.status).in_(states)).order_by(col(Delivery.id))
    statement = update(Delivery).where(col(Delivery.id).in_(mine.with_for_update(key_share=True))).values(**values)
    return Counter((await session().exec(statement.returning(col(Delivery.message_id)))).scalars())
