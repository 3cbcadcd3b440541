"""How long things are kept: what explains a message for some months, the message itself as long as wished."""

import itertools
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_
from sqlmodel import col, select

from riveredge_messaging.delivery.models import DeliveryAttempt, ProviderNotice, RateBucket
from riveredge_messaging.models import Decision, Delivery, DeliveryStatus, Message, Model, Stage
from riveredge_messaging.rules.models import Allowance, Bucket, BucketStatus
from riveredge_messaging.settings import MessagingSettings, MessagingTenantSettings
from riveredge_messaging.triggers.models import RuleFiring
from riveredge_sdk import FunctionContext, FunctionSpec, tenant_settings, unit_of_work, utcnow
from riveredge_sdk.functions import Cron, CronTick
from riveredge_sdk.timers import NotServedError, served_tenants, serving

_OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, DeliveryStatus.SENDING)
_BATCH = 1000
# A message takes everything of it along, which may be thousands of rows.
_MESSAGES = 20
# A step answers within this time; the next one goes on.
_SECONDS = 20.0
# Rates and throttles look less far ahead, and say nothing once their time is over.
_RATES = timedelta(days=1)


async def keep_house(ctx: FunctionContext, _tick: CronTick) -> int:
    """Remove what has had its time, organisation by organisation; how many rows that were."""
    removed = 0
    last: str | None = None
    for number in itertools.count(1):

        async def some(after: str | None = last) -> dict[str, Any]:
            return await _prune_some(after)

        done = await ctx.step.run(f"prune-{number}", some)
        removed, last = removed + int(done["removed"]), done["after"]
        if last is None:
            break
    return removed


async def _prune_some(after: str | None) -> dict[str, Any]:
    """For some seconds, in the order of their ids. `after`: the last one that was done; None: all are."""
    deadline, removed = time.monotonic() + _SECONDS, 0
    for tenant_id in sorted(await served_tenants("messaging")):
        if after is not None and tenant_id <= UUID(after):
            continue
        try:
            async with serving(tenant_id, "messaging"):
                removed += await prune()
        except NotServedError:
            continue
        if time.monotonic() > deadline:
            return {"removed": removed, "after": str(tenant_id)}
    return {"removed": removed, "after": None}


async def prune() -> int:
    """Remove what the current organisation need not keep any more; how many rows that were.

    What is on its way keeps its history, however old that is.
    """
    async with unit_of_work(read_only=True):
        own = await tenant_settings(MessagingTenantSettings)
    installed, now = MessagingSettings(), utcnow()
    old = now - timedelta(days=own.history_days or installed.history_days)
    ended = col(Delivery.status).not_in(_OPEN)
    of_ended = select(Delivery.id).where(col(Delivery.id) == col(Decision.delivery_id), ended).exists()
    of_ready = select(Message.id).where(col(Message.id) == col(Decision.message_id), _ready()).exists()
    tried = select(Delivery.id).where(col(Delivery.id) == col(DeliveryAttempt.delivery_id), ended).exists()
    explained = or_(of_ended, and_(col(Decision.delivery_id).is_(None), of_ready))
    removed = await _remove(Decision, _BATCH, col(Decision.at) < old, explained)
    removed += await _remove(DeliveryAttempt, _BATCH, col(DeliveryAttempt.created_at) < old, tried)
    removed += await _remove(ProviderNotice, _BATCH, col(ProviderNotice.created_at) < old)
    removed += await _remove(RuleFiring, _BATCH, col(RuleFiring.ended_at) < old)
    removed += await _remove(Bucket, _BATCH, col(Bucket.status) == BucketStatus.CLOSED, col(Bucket.due_at) < old)
    removed += await _remove(Allowance, _BATCH, col(Allowance.taken_until) < now - _RATES)
    removed += await _remove(RateBucket, _BATCH, col(RateBucket.next_at) < now - _RATES)
    days = own.message_days or installed.message_days
    return removed if days is None else removed + await _forget_messages(now - timedelta(days=days))


async def _forget_messages(old: datetime) -> int:
    """Messages of which nothing is on its way, with their deliveries, files and what lies of them in inboxes."""
    going = select(Delivery.id).where(col(Delivery.message_id) == col(Message.id), col(Delivery.status).in_(_OPEN))
    return await _remove(Message, _MESSAGES, col(Message.created_at) < old, _ready(), ~going.exists())


def _ready() -> ColumnElement[bool]:
    return col(Message.stage) == Stage.READY


async def _remove(model: type[Model], batch: int, *where: ColumnElement[bool]) -> int:
    """Remove rows, a batch in each unit of work, so that nobody waits long for them."""
    removed = 0
    while True:
        async with unit_of_work() as session:
            ids = (await session.exec(select(model.id).where(*where).limit(batch))).all()
            await session.exec(delete(model).where(col(model.id).in_(ids)))
        removed += len(ids)
        if len(ids) < batch:
            return removed


FUNCTIONS = (
    FunctionSpec(
        id="messaging.keep_house",
        title="Remove old history of messages",
        trigger=Cron("17 2 * * *"),
        handler=keep_house,
        system=True,
    ),
)
