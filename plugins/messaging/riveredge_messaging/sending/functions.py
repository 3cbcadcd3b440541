"""Durable functions that make deliveries, release those that were held, and send digests."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.events import (
    DELIVERY_RELEASED,
    DIGEST_DUE,
    MESSAGE_DUE,
    MESSAGE_RESUMED,
    DigestRef,
    HeldRef,
    MessageRef,
)
from riveredge_messaging.models import Delivery, Message, Stage
from riveredge_messaging.sending import flushing, releasing, stopping
from riveredge_messaging.sending.expanding import PAGE, expand
from riveredge_messaging.timeline import live
from riveredge_sdk import FunctionContext, FunctionSpec, Subject, publish, session, unit_of_work

# A run has a bounded number of steps; further pages are another run's.
_PAGES = 100


async def fan_out(ctx: FunctionContext, event: MessageRef) -> int:
    """Make the deliveries of a message, page by page of its recipients."""
    count = 0
    for number in range(_PAGES):
        made = await ctx.step.run(f"page-{number + 1}", lambda: _page(event.message_id))
        count += made
        if made < PAGE:
            return count
    await ctx.step.run("continue", lambda: _continue(event))
    return count


async def _page(message_id: UUID) -> int:
    made = await _next_page(message_id)
    await live.tell_of(message_id)
    return made


@unit_of_work()
async def _next_page(message_id: UUID) -> int:
    query = select(Message).where(col(Message.id) == message_id).with_for_update(key_share=True)
    message = (await session().exec(query)).first()
    if message is None or message.cancelled_at is not None or message.stage == Stage.READY:
        return 0
    if message.paused_at is not None:
        message.stage = Stage.EXPANDING
        return 0
    return await expand(message, PAGE)


@unit_of_work()
async def _continue(event: MessageRef) -> None:
    publish(MESSAGE_DUE, MessageRef(message_id=event.message_id, round=event.round + 1))


async def go_on(ctx: FunctionContext, event: MessageRef) -> int:
    """Release what was paused of a message, or is to be tried again."""
    count = 0
    for number in range(_PAGES):
        released = await ctx.step.run(f"page-{number + 1}", lambda: _next_released(event.message_id))
        count += released
        if released < stopping.PAGE:
            return count
    await ctx.step.run("continue", lambda: _continue_release(event))
    return count


@unit_of_work()
async def _next_released(message_id: UUID) -> int:
    return await stopping.go_on(message_id)


@unit_of_work()
async def _continue_release(event: MessageRef) -> None:
    publish(MESSAGE_RESUMED, MessageRef(message_id=event.message_id, round=event.round + 1))


async def release(ctx: FunctionContext, event: HeldRef) -> int:
    """Ask the rules again about deliveries whose time has come."""

    async def look() -> int:
        async with unit_of_work():
            count = await releasing.release(event.deliveries)
        await live.tell(col(Delivery.id).in_(event.deliveries))
        return count

    return await ctx.step.run("release", look)


async def flush(ctx: FunctionContext, event: DigestRef) -> int:
    """Send a digest."""

    async def close_and_send() -> int:
        async with unit_of_work():
            count = await flushing.flush(event.bucket_id)
        await live.tell(col(Delivery.bucket_id) == event.bucket_id)
        return count

    return await ctx.step.run("flush", close_and_send)


FUNCTIONS = (
    FunctionSpec(
        id="messaging.fan_out",
        title="Make the deliveries of a message",
        trigger=MESSAGE_DUE,
        handler=fan_out,
        subject=lambda event: Subject("messaging.message", event.message_id),
        retries=8,
    ),
    FunctionSpec(
        id="messaging.go_on",
        title="Take up deliveries of a message again",
        trigger=MESSAGE_RESUMED,
        handler=go_on,
        subject=lambda event: Subject("messaging.message", event.message_id),
        retries=8,
    ),
    FunctionSpec(
        id="messaging.release",
        title="Release held deliveries",
        trigger=DELIVERY_RELEASED,
        handler=release,
        retries=8,
    ),
    FunctionSpec(
        id="messaging.flush",
        title="Send a digest",
        trigger=DIGEST_DUE,
        handler=flush,
        subject=lambda event: Subject("messaging.digest", event.bucket_id),
        retries=8,
    ),
)
