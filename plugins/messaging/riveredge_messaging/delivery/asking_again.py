"""Asks the rules again about what has waited to be handed over: much may have happened since they let it through."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, or_, select

from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.models import Delivery, DeliveryStatus, Message
from riveredge_messaging.rules.categories import GENERAL
from riveredge_messaging.rules.deciding import Rules, Ruling
from riveredge_sdk import session
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import MessageChannel

# Whatever is handed over sooner was let through just now.
FRESH = timedelta(minutes=1)


async def ask_again(
    channel: MessageChannel,
    deliveries: Sequence[Delivery],
    messages: Mapping[UUID, Message],
    categories: Mapping[str, MessageCategory],
    now: datetime,
) -> dict[UUID, Ruling]:
    """What stops or holds deliveries that have waited, by their ids. Inside a unit of work.

    Those that waited for a retry, a rate or a provider, or for the engine itself, are meant; the rules are loaded once
    for all of them.
    """
    waited = [row for row in deliveries if row.next_at is not None or now - (row.queued_at or now) > FRESH]
    if not waited:
        return {}
    people = list({row.recipient_id for row in waited})
    rules = await Rules.load(messages[waited[0].message_id], GENERAL, {channel.id: channel}, people)
    read = await _read(waited)
    found: dict[UUID, Ruling] = {}
    for row in waited:
        message = messages[row.message_id]
        mine = replace(rules, message=message, category=categories.get(message.category, GENERAL))
        ruling = _ask(mine, row, now, is_read=(row.message_id, row.recipient_id) in read)
        if ruling is not None:
            found[row.id] = ruling
    return found


def _ask(rules: Rules, row: Delivery, now: datetime, *, is_read: bool) -> Ruling | None:
    admitted = rules.admit(row.recipient_id, row.channel, now)
    if admitted.status != DeliveryStatus.QUEUED:
        return admitted
    if is_read and rules.category.kind == "ordinary" and not rules.is_test:
        return Ruling(status=DeliveryStatus.SKIPPED, rule="escalation", reason="read_already")
    return rules.wait(row.recipient_id, row.channel, now)


async def _read(rows: Sequence[Delivery]) -> set[tuple[UUID, UUID]]:
    """Which messages whose inbox has shown to them, or has put away."""
    query = (
        select(Delivery.message_id, InboxItem.recipient_id)
        .join(Delivery, col(Delivery.id) == col(InboxItem.delivery_id))
        .where(
            col(Delivery.message_id).in_({row.message_id for row in rows}),
            col(InboxItem.recipient_id).in_({row.recipient_id for row in rows}),
            or_(
                col(InboxItem.read_at).is_not(None),
                col(InboxItem.archived_at).is_not(None),
                col(InboxItem.deleted_at).is_not(None),
            ),
        )
    )
    return set((await session().exec(query)).all())
