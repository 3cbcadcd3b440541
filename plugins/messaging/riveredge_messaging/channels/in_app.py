"""In-app messages: rows of an inbox."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import insert
from sqlmodel import col, select

from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.inbox.options import InboxOptions, read_options
from riveredge_messaging.inbox.stream import push_inbox
from riveredge_sdk import session, unit_of_work, utcnow
from riveredge_sdk.features.messaging import DeliveringChannel, DeliveryResult, RenderedMessage
from riveredge_sdk.models import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class InAppEntry:
    """One delivery, as it is put into its recipient's inbox."""

    delivery_id: UUID
    recipient_id: UUID
    subject: str
    text: str
    category: str = ""
    options: InboxOptions = field(default_factory=InboxOptions)


def entry_of(message: RenderedMessage) -> InAppEntry:
    """The entry of a rendered message.

    Raises:
        PermanentFailure: a link, a tag or a button of it is not right.
    """
    options = read_options(message)
    return InAppEntry(
        delivery_id=message.delivery_id,
        recipient_id=message.recipient_id,
        subject=message.subject,
        text=message.text,
        category=message.category,
        options=options,
    )


async def deliver_many(entries: Sequence[InAppEntry]) -> int:
    """Put a page of deliveries into inboxes, in the running unit of work: a few statements, and a push for each.

    For fan-outs: call it once in the unit of work that adds the page's `Delivery` rows (flushed before, and at most
    1000 entries, as a unit of work pushes no more), and mark those `delivered` there; no run for each person is
    needed. A delivery that is in the inbox already is passed over, so a repeated page does no harm.

    Returns:
        How many were added.
    """
    if not entries:
        return 0
    ids = [entry.delivery_id for entry in entries]
    there = set((await session().exec(select(InboxItem.delivery_id).where(col(InboxItem.delivery_id).in_(ids)))).all())
    now = utcnow()
    new = [(uuid7(), entry) for entry in entries if entry.delivery_id not in there]
    if not new:
        return 0
    await session().exec(insert(InboxItem), params=[_row(item_id, entry, now) for item_id, entry in new])
    for item_id, entry in new:
        push_inbox("added", entry.recipient_id, item_id)
    return len(new)


def _row(item_id: UUID, entry: InAppEntry, now: object) -> dict[str, object]:
    options = entry.options
    return {
        "id": item_id,
        "created_at": now,
        "updated_at": now,
        "shown_at": now,
        "version": 1,
        "delivery_id": entry.delivery_id,
        "recipient_id": entry.recipient_id,
        "subject": entry.subject,
        "text": entry.text,
        "category": entry.category,
        "tags": "".join(f",{tag}" for tag in options.tags) + "," * bool(options.tags),
        "link": options.link,
        "actions": [action.model_dump() for action in options.actions],
    }


class InAppChannel(DeliveringChannel):
    """Everybody has an inbox."""

    id = "messaging.in_app"
    title = "In-app"
    description = "A notice in the person's inbox."

    async def address_of(self, user_id: UUID) -> str | None:
        return str(user_id)

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        entry = entry_of(message)
        async with unit_of_work():
            await deliver_many([entry])
        return DeliveryResult("delivered")
