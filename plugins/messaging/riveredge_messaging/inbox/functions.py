"""Durable functions of the inbox: what was snoozed comes back, what was deleted goes for good."""

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_messaging.events import SNOOZE_ENDED, SnoozeEnded
from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.inbox.service import Inboxes
from riveredge_sdk import FunctionContext, FunctionSpec, session, unit_of_work, utcnow
from riveredge_sdk.functions import Cron, CronTick

# How long deleted items can be undeleted.
KEEP_DELETED = timedelta(days=30)
_AT_ONCE = 1000


async def wake(ctx: FunctionContext, event: SnoozeEnded) -> int:
    """Bring back what was snoozed until now."""

    @unit_of_work()
    async def bring_back() -> int:
        return await Inboxes().wake(event.user_id, event.until)

    back: int = await ctx.step.run("bring-back", bring_back)
    return back


async def purge(ctx: FunctionContext, _tick: CronTick) -> int:
    """Remove the items of all organisations that were deleted long ago."""

    @unit_of_work()
    async def remove() -> int:
        old = select(InboxItem.id).where(col(InboxItem.deleted_at) < utcnow() - KEEP_DELETED).limit(_AT_ONCE)
        ids = (await session().exec(old)).all()
        return (await session().exec(delete(InboxItem).where(col(InboxItem.id).in_(ids)))).rowcount

    removed = 0
    while True:
        found = await ctx.step.run("remove", remove)
        removed += found
        if found < _AT_ONCE:
            return removed


FUNCTIONS = (
    FunctionSpec(id="messaging.snooze_end", title="End a snooze", trigger=SNOOZE_ENDED, handler=wake),
    FunctionSpec(
        id="messaging.inbox_purge",
        title="Remove deleted messages from inboxes",
        trigger=Cron("41 3 * * *"),
        handler=purge,
        system=True,
    ),
)
