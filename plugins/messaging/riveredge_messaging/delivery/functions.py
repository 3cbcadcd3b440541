"""The durable functions of sending."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import col, select

from riveredge_messaging.delivery.admission import admit
from riveredge_messaging.delivery.ending import Stop, end
from riveredge_messaging.delivery.handing_over import hand_over, lease
from riveredge_messaging.delivery.models import MessageConfig, ProviderNotice
from riveredge_messaging.delivery.outcomes import note_outcomes
from riveredge_messaging.delivery.preparing import Ready, prepare
from riveredge_messaging.delivery.queueing import queue_later
from riveredge_messaging.delivery.repository import Configs
from riveredge_messaging.events import (
    CONFIG_FAILED,
    DELIVERY_QUEUED,
    NOTICES_RECEIVED,
    ConfigRef,
    DeliveriesDue,
    NoticesRef,
)
from riveredge_messaging.feedback import callbacks
from riveredge_messaging.models import Delivery, DeliveryStatus
from riveredge_messaging.repository import Deliveries
from riveredge_messaging.templates.built_in import CONFIG_FAILED_NOTICE
from riveredge_messaging.timeline import live
from riveredge_sdk import FunctionContext, FunctionSpec, Subject, find_service, get_service, unit_of_work, utcnow
from riveredge_sdk.features.messaging import NOTIFIER, Notification
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.functions import Failure

log = structlog.get_logger(__name__)

# Seconds between tries to write down what came of a wave, where the database does not take it.
_NOTE_AGAIN = (0.2, 1.0, 3.0)
# Each wave goes through configurations that those before did not use up; what is left then is a run of its own.
MAX_WAVES = 10


async def deliver(ctx: FunctionContext, event: DeliveriesDue) -> str:
    """Hand deliveries over. What has to wait is set down as a timer, so that a run never sleeps."""
    open_ids, reserved = list(event.deliveries), event.reserved
    for number in range(1, MAX_WAVES + 1):

        async def send(ids: list[UUID] = open_ids, reserved: bool = reserved) -> list[str]:
            return [str(delivery_id) for delivery_id in await _wave(event.channel, ids, reserved=reserved)]

        left = await ctx.step.run("send" if number == 1 else f"send-{number}", send)
        open_ids, reserved = [UUID(text) for text in left], False
        if not open_ids:
            return "done"

    @unit_of_work()
    async def hand_on() -> None:
        await queue_later(event.channel, open_ids, utcnow())

    await ctx.step.run("hand-on", hand_on)
    return "handed on"


async def _wave(channel: str, ids: list[UUID], *, reserved: bool) -> list[UUID]:
    prepared = await prepare(channel, ids)
    if not prepared:
        return []
    left = await _send(channel, prepared, reserved=reserved)
    if any(isinstance(each, Stop) or each.broad for each in prepared.values()):
        await live.tell(col(Delivery.id).in_(list(prepared)))
    return left


async def _send(channel: str, prepared: Mapping[UUID, Ready | Stop], *, reserved: bool) -> list[UUID]:
    attempts = await admit(channel, prepared, reserved=reserved, lease=lease())
    if not attempts:
        return []
    outcomes = await hand_over(attempts)
    for pause in _NOTE_AGAIN:
        try:
            return await note_outcomes(channel, outcomes)
        except (DBAPIError, StaleDataError):
            # What was sent would be forgotten, and perhaps sent again.
            log.warning("outcomes_not_noted", exc_info=True)
            await asyncio.sleep(pause)
    return await note_outcomes(channel, outcomes)


@unit_of_work()
async def give_up(_ctx: FunctionContext, failure: Failure) -> None:
    """The function itself has failed, again and again: a mistake of ours, or the database is gone."""
    ids = DeliveriesDue.model_validate(
        {name: failure.data[name] for name in DeliveriesDue.model_fields if name in failure.data}
    ).deliveries
    for row in await Deliveries().all(col(Delivery.id).in_(ids)):
        if row.status == DeliveryStatus.SENDING:
            end(row, DeliveryStatus.UNKNOWN, reason="unknown_held", error=failure.message)
        elif row.status == DeliveryStatus.QUEUED and row.next_at is None:
            end(row, DeliveryStatus.FAILED, reason="gave_up", error=failure.message)


def _subject(event: DeliveriesDue) -> Subject | None:
    return Subject("messaging.delivery", event.deliveries[0]) if len(event.deliveries) == 1 else None


DELIVER = FunctionSpec(
    id="messaging.deliver",
    title="Deliver messages",
    trigger=DELIVERY_QUEUED,
    handler=deliver,
    on_failure=give_up,
    subject=_subject,
    retries=8,
)


async def apply_notices(ctx: FunctionContext, event: NoticesRef) -> int:
    """Apply what a provider told. It may tell before we have written down that it took the message."""
    left = event.notices
    for number, seconds in enumerate((0, 2, 10, 60)):
        if seconds:
            await ctx.step.sleep(f"wait-{number}", timedelta(seconds=seconds))

        async def apply(ids: list[UUID] = left) -> list[str]:
            async with unit_of_work():
                unknown = await callbacks.apply(ids)
            of_notices = select(ProviderNotice.delivery_id).where(col(ProviderNotice.id).in_(ids))
            await live.tell(col(Delivery.id).in_(of_notices))
            return [str(notice_id) for notice_id in unknown]

        left = [UUID(text) for text in await ctx.step.run(f"apply-{number}", apply)]
        if not left:
            break
    return len(left)


APPLY_NOTICES = FunctionSpec(
    id="messaging.apply_notices",
    title="Apply what a provider reports",
    trigger=NOTICES_RECEIVED,
    handler=apply_notices,
)


async def alert(ctx: FunctionContext, event: ConfigRef) -> str:
    """Tell whoever keeps a configuration that it was taken out of use."""

    @unit_of_work()
    async def tell() -> str:
        row = await Configs().find(col(MessageConfig.id) == UUID(event.config))
        notifier = find_service(NOTIFIER)
        if row is None or row.keeper_id is None or notifier is None:
            return "nobody"
        person = (await get_service(PEOPLE).find([row.keeper_id])).get(row.keeper_id)
        if person is None or not person.active:
            return "nobody"
        await notifier.notify(
            Notification(
                template=CONFIG_FAILED_NOTICE.id,
                to=[person.id],
                data={"config": event.title, "fault": event.fault},
                channels=["messaging.in_app"],
                correlation=f"messaging.config:{row.id}",
            )
        )
        return "told"

    return await ctx.step.run("tell", tell)


ALERT = FunctionSpec(
    id="messaging.alert",
    title="Tell of a configuration that failed",
    trigger=CONFIG_FAILED,
    handler=alert,
)

FUNCTIONS = (DELIVER, APPLY_NOTICES, ALERT)
