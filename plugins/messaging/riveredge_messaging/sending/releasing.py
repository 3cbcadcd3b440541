"""What becomes of deliveries after they have waited: every rule is asked again, for much may have happened."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.delivery.queueing import queue
from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, Verdict
from riveredge_messaging.rules.deciding import Rules, Ruling
from riveredge_messaging.sending.expanding import category_of, rule_on, take_turn
from riveredge_messaging.sending.holding import hold
from riveredge_messaging.templates.catalog import channels
from riveredge_messaging.timeline.decisions import note_all, note_on
from riveredge_sdk import session, utcnow

PAUSE = "pause"


async def release(ids: Sequence[UUID]) -> int:
    """Look at held deliveries again; how many go out now. Part of the unit of work."""
    query = (
        select(Delivery)
        .where(col(Delivery.id).in_(list(ids)), col(Delivery.status) == DeliveryStatus.DEFERRED)
        .order_by(col(Delivery.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return await release_rows((await session().exec(query)).all())


async def release_rows(rows: Iterable[Delivery]) -> int:
    """The same for rows that the unit of work has locked."""
    by_message: dict[UUID, list[Delivery]] = defaultdict(list)
    for row in rows:
        by_message[row.message_id].append(row)
    count = 0
    for message_id, mine in by_message.items():
        message = (await session().exec(select(Message).where(col(Message.id) == message_id))).one()
        if message.paused_at is not None:
            for row in mine:
                row.held_by, row.due_at, row.reason = PAUSE, None, "paused"
            continue
        count += await _release_of(message, mine)
    await session().flush()
    return count


async def _release_of(message: Message, rows: Sequence[Delivery]) -> int:
    there = channels()
    mine = {row.channel: there[row.channel] for row in rows if row.channel in there}
    rules = await Rules.load(message, await category_of(message), mine, list({row.recipient_id for row in rows}))
    now = utcnow()
    decided = []
    # In the order in which messages are expanded: places in throttles are taken here.
    for row in sorted(rows, key=lambda row: (row.recipient_id, row.channel)):
        waited_for = row.held_by
        ruling = await _again(rules, row, now)
        if ruling.status == DeliveryStatus.QUEUED:
            _note_released(row, waited_for)
        decided.append(rule_on(row, ruling))
    await session().flush()
    await note_all(decided)
    ready = [row for row in rows if row.status == DeliveryStatus.QUEUED]
    queue(ready)
    await hold(row for row in rows if row.status == DeliveryStatus.DEFERRED)
    return len(ready)


async def _again(rules: Rules, row: Delivery, now: datetime) -> Ruling:
    if rules.message.cancelled_at is not None:
        return Ruling(status=DeliveryStatus.CANCELLED, rule="cancel", reason="cancelled")
    admitted = rules.admit(row.recipient_id, row.channel, now)
    if admitted.status != DeliveryStatus.QUEUED:
        return admitted
    is_escalation = row.held_by == "escalation"
    if (is_escalation or rules.category.kind == "ordinary") and await _is_read(row):
        return Ruling(status=DeliveryStatus.SKIPPED, rule="escalation", reason="read_already")
    held = rules.wait(row.recipient_id, row.channel, now)
    if held is not None:
        return held
    if row.held_by == "throttle":
        # Its place was reserved.
        return Ruling(status=DeliveryStatus.QUEUED, rule="pipeline", reason="all_clear", passed=admitted.passed)
    return await take_turn(rules, row.recipient_id, row.channel, admitted, now)


async def _is_read(row: Delivery) -> bool:
    """Whether the person has read the message in the inbox, or put it away.

    The item is locked, so that this does not change until the unit of work ends.
    """
    query = (
        select(InboxItem.read_at, InboxItem.archived_at, InboxItem.deleted_at)
        .join(Delivery, col(Delivery.id) == col(InboxItem.delivery_id))
        .where(col(Delivery.message_id) == row.message_id, col(InboxItem.recipient_id) == row.recipient_id)
        .with_for_update(of=InboxItem)
    )
    return any(any(moments) for moments in (await session().exec(query)).all())


def _note_released(row: Delivery, waited_for: str | None) -> None:
    note_on(
        row,
        rule=waited_for or "pipeline",
        verdict=Verdict.INFO,
        reason="waited",
        detail={"rule": waited_for or ""},
    )
