"""How far messages to many are, told to the pages that show it: at most once a second for each message.

What changes deliveries calls `tell` after its commit. The first of many who do so within a second sets off a push at
the end of it, in which everything is counted that was committed until then; the others have nothing to do.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, update
from sqlmodel import col, select

from riveredge_messaging.events import MESSAGE_MOVED, MessageRef
from riveredge_messaging.models import Delivery, Message
from riveredge_messaging.permissions import MESSAGE_READ
from riveredge_messaging.repository import Messages
from riveredge_messaging.timeline.progress import progress_of, totals
from riveredge_sdk import FunctionContext, FunctionSpec, StreamTopic, publish, push, session, unit_of_work, utcnow

# To fewer people a message is over before anybody looks.
BROAD = 10
PERIOD = timedelta(seconds=1)


async def _totals(keys: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    found = await progress_of(await Messages().all(col(Message.id).in_([UUID(key) for key in keys])))
    return {str(message_id): totals(progress) for message_id, progress in found.items()}


async def _is_there(key: str) -> bool:
    try:
        message_id = UUID(key)
    except ValueError:
        return False
    return await Messages().find(col(Message.id) == message_id) is not None


PROGRESS = StreamTopic(
    "messaging.progress",
    "How far a message is",
    permission=MESSAGE_READ,
    scope="object",
    authorise=_is_there,
    description=f"Of messages to {BROAD} people or more, about once a second. The message's status; data: recipients, "
    "deliveries, open, done, failed, unsent.",
    counters=_totals,
)


async def push_progress(message: Message) -> None:
    """Tell at once, with the running unit of work: somebody has stopped a message, or set it going."""
    if message.recipients < BROAD:
        return
    await session().flush()
    progress = (await progress_of([message]))[message.id]
    push(PROGRESS, message.id, what=progress.status)


async def tell(moved: ColumnElement[bool]) -> None:
    """Tell of deliveries whose change is committed, soon. Outside of any unit of work, for it locks messages.

    Args:
        moved: which deliveries those are.
    """
    async with unit_of_work():
        mine = select(Delivery.message_id).where(moved)
        query = select(Message.id).where(col(Message.id).in_(mine), col(Message.recipients) >= BROAD)
        await _set_off(sorted((await session().exec(query)).all()))


async def tell_of(message_id: UUID) -> None:
    """Tell of a message whose deliveries were made."""
    async with unit_of_work():
        await _set_off([message_id])


async def _set_off(message_ids: Sequence[UUID]) -> None:
    now = utcnow()
    for message_id in message_ids:
        # Whoever finds that a push is still to come need not wait: what it counts, it reads after this commit.
        free = or_(col(Message.told_at).is_(None), col(Message.told_at) <= now)
        take = update(Message).where(col(Message.id) == message_id, col(Message.recipients) >= BROAD, free)
        took = await session().exec(
            take.values(told_at=now + PERIOD, updated_at=Message.updated_at).execution_options(
                synchronize_session=False
            )
        )
        if took.rowcount:
            publish(MESSAGE_MOVED, MessageRef(message_id=message_id), due_at=now + PERIOD)


async def push_moved(ctx: FunctionContext, event: MessageRef) -> str:
    """Push how far a message is."""

    @unit_of_work()
    async def tell_now() -> str:
        message = await Messages().find(col(Message.id) == event.message_id)
        if message is None:
            return "gone"
        await push_progress(message)
        return "told"

    return await ctx.step.run("push", tell_now)


FUNCTIONS = (
    FunctionSpec(
        id="messaging.push_progress",
        title="Tell how far a message is",
        trigger=MESSAGE_MOVED,
        handler=push_moved,
        retries=1,
    ),
)
