"""The durable function that delivers."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.catalog import channels, pinned_template
from riveredge_messaging.composing import Reader, compose, load_look
from riveredge_messaging.events import DELIVERY_FAILED, DELIVERY_QUEUED, DELIVERY_SENT, DeliveryRef
from riveredge_messaging.models import Delivery, DeliveryStatus, Message
from riveredge_messaging.rendering import RenderError
from riveredge_messaging.repository import Deliveries
from riveredge_sdk import FunctionContext, FunctionSpec, Subject, get_service, publish, session, unit_of_work, utcnow
from riveredge_sdk.features.messaging import (
    DeliveryResult,
    MessageChannel,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
)
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.functions import Failure, RetryAfterError

_MAX_ERROR = 2000


class _OverError(Exception):
    """The delivery has ended already; the status says how."""


class _SkippedError(Exception):
    """The recipient has no address on the channel."""


async def deliver(ctx: FunctionContext, event: DeliveryRef) -> str:
    """Deliver one message to one person over one channel."""

    async def send() -> str:
        return await _attempt(event.delivery_id)

    return await ctx.step.run("send", send)


async def _attempt(delivery_id: UUID) -> str:
    try:
        message, channel = await _prepare(delivery_id)
        result = await channel.deliver(message)
    except _OverError as over:
        return str(over)
    except _SkippedError as skipped:
        return await _end(delivery_id, DeliveryStatus.SKIPPED, error=str(skipped))
    except PermanentFailure as failure:
        return await _end(delivery_id, DeliveryStatus.FAILED, error=str(failure))
    except TemporaryFailure as failure:
        await _note(delivery_id, str(failure))
        if failure.retry_after is not None:
            raise RetryAfterError(str(failure), timedelta(seconds=failure.retry_after)) from None
        raise
    status = DeliveryStatus.DELIVERED if result.outcome == "delivered" else DeliveryStatus.SENT
    return await _end(delivery_id, status, result=result)


async def _prepare(delivery_id: UUID) -> tuple[RenderedMessage, MessageChannel]:
    """Count the attempt and render, in one transaction that ends before anything is sent."""
    async with unit_of_work():
        delivery = await Deliveries().find(col(Delivery.id) == delivery_id)
        if delivery is None or delivery.status != DeliveryStatus.QUEUED:
            raise _OverError(delivery.status if delivery is not None else "deleted")
        channel = channels().get(delivery.channel)
        person = (await get_service(PEOPLE).find([delivery.recipient_id])).get(delivery.recipient_id)
        address = await channel.address_of(delivery.recipient_id) if channel is not None else None
        delivery.attempts += 1
        delivery.address = address
        message = (await session().exec(select(Message).where(col(Message.id) == delivery.message_id))).one()
        template = await pinned_template(message.template, message.template_version_id)
        look = await load_look()
    if channel is None:
        raise PermanentFailure(f"The channel {delivery.channel} is not there any more.")
    if template is None:
        raise PermanentFailure(f"The template {message.template} is not there any more.")
    if person is None or address is None:
        raise _SkippedError("The person cannot be reached on this channel.")
    try:
        rendered = compose(template, channel, message.data, Reader.of(person), look)
    except RenderError as error:
        raise PermanentFailure(f"The template cannot be rendered: {error}") from None
    return (
        RenderedMessage(
            delivery_id=delivery.id,
            recipient_id=delivery.recipient_id,
            address=address,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            locale=rendered.locale,
            data=message.data,
            options=rendered.options,
            category=message.category,
        ),
        channel,
    )


@unit_of_work()
async def _note(delivery_id: UUID, error: str) -> None:
    """Show why the last attempt did not succeed."""
    delivery = await Deliveries().get(delivery_id, lock=True)
    delivery.error = error[:_MAX_ERROR]


@unit_of_work()
async def _end(
    delivery_id: UUID, status: DeliveryStatus, *, result: DeliveryResult | None = None, error: str | None = None
) -> str:
    delivery = await Deliveries().get(delivery_id, lock=True)
    if delivery.status != DeliveryStatus.QUEUED and result is None:
        return delivery.status
    delivery.status, delivery.ended_at = status, utcnow()
    delivery.error = error and error[:_MAX_ERROR]
    delivery.reference = result.reference if result is not None else None
    ref = DeliveryRef(
        delivery_id=delivery.id, message_id=delivery.message_id, channel=delivery.channel, round=delivery.version
    )
    publish(DELIVERY_SENT if result is not None else DELIVERY_FAILED, ref)
    return str(status)


async def give_up(_ctx: FunctionContext, failure: Failure) -> None:
    """The last attempt has failed."""
    await _end(UUID(str(failure.data["delivery_id"])), DeliveryStatus.FAILED, error=failure.message)


DELIVER = FunctionSpec(
    id="messaging.deliver",
    title="Deliver a message",
    trigger=DELIVERY_QUEUED,
    handler=deliver,
    on_failure=give_up,
    subject=lambda event: Subject("messaging.delivery", event.delivery_id),
    retries=8,
)
