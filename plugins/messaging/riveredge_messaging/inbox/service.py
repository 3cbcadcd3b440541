"""What people do with their inbox: one operation, on one item or on many, is one statement and one push."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, select

from riveredge_messaging.events import INBOX_ANSWERED, SNOOZE_ENDED, InboxAnswered, SnoozeEnded
from riveredge_messaging.inbox.models import Inbox, InboxItem
from riveredge_messaging.inbox.repository import InboxItems, Unread, conditions, hold
from riveredge_messaging.inbox.schemas import Operation
from riveredge_messaging.inbox.stream import push_inbox
from riveredge_messaging.models import Delivery, Message
from riveredge_sdk import publish, session, timers, utcnow
from riveredge_sdk.problems import Conflict, NotFound, invalid_field

MAX_SNOOZE = timedelta(days=366)
# Pushes of one change; more items are told of by one push, and clients fetch anew.
_MAX_TOLD = 20
_Condition = ColumnElement[bool]

# How browsers are told of an operation on one item.
_WORDS: Mapping[Operation, str] = {
    "delete": "removed",
    "archive": "removed",
    "snooze": "removed",
    "undelete": "restored",
    "unarchive": "restored",
    "unsnooze": "restored",
}


@dataclass(frozen=True, slots=True)
class _Change:
    """To which items an operation makes a difference, and what it sets."""

    applies: tuple[_Condition, ...]
    values: Mapping[str, Any]


_HERE = col(InboxItem.deleted_at).is_(None)


def _changes(now: datetime, until: datetime | None) -> Mapping[Operation, _Change]:
    seen = {"seen_at": func.coalesce(col(InboxItem.seen_at), now)}
    read = {**seen, "read_at": func.coalesce(col(InboxItem.read_at), now)}
    is_archived, is_snoozed = col(InboxItem.archived_at).is_not(None), col(InboxItem.snoozed_until).is_not(None)
    return {
        "seen": _Change((_HERE, col(InboxItem.seen_at).is_(None)), seen),
        "read": _Change((_HERE, col(InboxItem.read_at).is_(None)), read),
        "unread": _Change((_HERE, col(InboxItem.read_at).is_not(None)), {"read_at": None}),
        "archive": _Change(
            (_HERE, col(InboxItem.archived_at).is_(None)), {**read, "archived_at": now, "snoozed_until": None}
        ),
        "unarchive": _Change((_HERE, is_archived), {"archived_at": None}),
        "snooze": _Change((_HERE,), {**seen, "snoozed_until": until, "archived_at": None}),
        "unsnooze": _Change((_HERE, is_snoozed), {"snoozed_until": None}),
        "delete": _Change((_HERE,), {**read, "deleted_at": now, "snoozed_until": None}),
        "undelete": _Change((col(InboxItem.deleted_at).is_not(None),), {"deleted_at": None}),
    }


class Inboxes:
    """The rules of inboxes, in the running unit of work."""

    def __init__(self) -> None:
        self.items = InboxItems()

    async def find(self, user: UUID, item_id: UUID) -> InboxItem:
        """The item, deleted or not.

        Raises:
            NotFound: there is none in this person's inbox.
        """
        found = await self.items.find(col(InboxItem.id) == item_id, col(InboxItem.recipient_id) == user)
        if found is None:
            raise NotFound(f"There is no message {item_id} in your inbox.")
        return found

    async def change_one(
        self, user: UUID, item_id: UUID, operation: Operation, until: datetime | None = None
    ) -> InboxItem:
        """Do it to one item; nothing happens if it is so already.

        Raises:
            NotFound: there is none in this person's inbox, or it was deleted.
            Invalid: `until` is not right.
        """
        item = await self.find(user, item_id)
        changed = await self._apply(user, [col(InboxItem.id) == item_id], operation, until)
        await session().refresh(item)
        if not changed and item.deleted_at is not None and operation != "delete":
            raise NotFound("This message was deleted; undelete it first.")
        if changed:
            what = _WORDS.get(operation, "changed")
            push_inbox(what, user, item_id)
        return item

    async def change_many(
        self, user: UUID, where: Sequence[_Condition], operation: Operation, until: datetime | None = None
    ) -> tuple[int, Unread]:
        """Do it to all of the person's items that meet the conditions; how many it changed, and the counters then.

        Raises:
            Invalid: `until` is not right.
        """
        changed = await self._apply(user, where, operation, until)
        if changed:
            push_inbox("bulk", user, None)
        return changed, (await self.items.unread([user]))[user]

    async def selected(self, ids: Sequence[UUID] | None, view: Any, tab: str | None, filter_: str | None) -> list[Any]:
        """The conditions of a bulk change: ids, or a view with a tab and a filter."""
        if ids is not None:
            return [col(InboxItem.id).in_(ids)]
        return [*await conditions(view, tab), self.items.condition(filter_)]

    async def _apply(
        self, user: UUID, where: Sequence[_Condition], operation: Operation, until: datetime | None
    ) -> int:
        now = utcnow()
        if until is not None and not now < until <= now + MAX_SNOOZE:
            raise invalid_field("until", f"Expected a time to come, within {MAX_SNOOZE.days} days.", "until")
        change = _changes(now, until)[operation]
        if "snoozed_until" in change.values:
            await hold(user)
        statement = (
            update(InboxItem)
            .where(col(InboxItem.recipient_id) == user, *where, *change.applies)
            .values(**change.values, version=col(InboxItem.version) + 1)
            .execution_options(synchronize_session=False)
        )
        changed = (await session().exec(statement)).rowcount
        if changed and "snoozed_until" in change.values:
            await self._set_alarm(user)
        return changed

    async def answer(self, user: UUID, item_id: UUID, action: str, result: dict[str, Any] | None) -> InboxItem:
        """Note that a button was pressed. The same button again changes nothing.

        Raises:
            NotFound: there is no such item, or no such button.
            Conflict: another button was pressed before.
        """
        item = await self.find(user, item_id)
        await session().refresh(item, with_for_update=True)
        if item.deleted_at is not None:
            raise NotFound("This message was deleted; undelete it first.")
        if all(offered["id"] != action for offered in item.actions):
            raise NotFound(f"This message has no button {action[:40]!r}.")
        if item.answer is not None:
            if item.answer["action"] != action:
                raise Conflict(f"{item.answer['action']!r} was chosen before.")
            return item
        now = utcnow()
        answer = {"action": action, "at": now.isoformat(), "result": result}
        await self.items.change(
            item, {"answer": answer, "seen_at": item.seen_at or now, "read_at": item.read_at or now}
        )
        await self._tell_of_answer(item, action, result)
        push_inbox("changed", user, item.id)
        return item

    async def _tell_of_answer(self, item: InboxItem, action: str, result: dict[str, Any] | None) -> None:
        query = (
            select(Message)
            .join(Delivery, col(Delivery.message_id) == col(Message.id))
            .where(col(Delivery.id) == item.delivery_id)
        )
        message = (await session().exec(query)).one()
        answered = InboxAnswered(
            item_id=item.id,
            delivery_id=item.delivery_id,
            message_id=message.id,
            correlation=message.correlation,
            user_id=item.recipient_id,
            action=action,
            result=result,
        )
        publish(INBOX_ANSWERED, answered)

    async def wake(self, user: UUID, until: datetime) -> int:
        """Bring back what was snoozed until then, as new; how many."""
        await hold(user)
        now = utcnow()
        statement = (
            update(InboxItem)
            .where(col(InboxItem.recipient_id) == user, col(InboxItem.snoozed_until) <= max(now, until))
            .values(snoozed_until=None, shown_at=now, seen_at=None, read_at=None, version=col(InboxItem.version) + 1)
            .returning(col(InboxItem.id))
            .execution_options(synchronize_session=False)
        )
        back = (await session().exec(statement)).scalars().all()
        for item_id in back if len(back) <= _MAX_TOLD else [None]:
            push_inbox("bulk" if item_id is None else "returned", user, item_id)
        await self._set_alarm(user, anew=True)
        return len(back)

    async def _set_alarm(self, user: UUID, *, anew: bool = False) -> None:
        """One timer for each inbox: for the next snooze that ends. The inbox is held."""
        inbox = (await session().exec(select(Inbox).where(col(Inbox.user_id) == user))).one()
        await session().refresh(inbox)
        mine = (col(InboxItem.recipient_id) == user, col(InboxItem.snoozed_until).is_not(None))
        due = (await session().exec(select(func.min(col(InboxItem.snoozed_until))).where(*mine))).one()
        if due == inbox.wakes_at and not anew:
            return
        owner = timers.Owner("messaging.inbox", user)
        inbox.wakes_at = due
        if due is None:
            await timers.cancel(owner)
        else:
            await timers.set(owner, "snooze", due, SNOOZE_ENDED, SnoozeEnded(user_id=user, until=due))
