"""Access to inboxes: which items a view shows, and how many are unseen and unread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from riveredge_messaging.inbox.models import Inbox, InboxItem, InboxTab
from riveredge_messaging.inbox.schemas import InboxCounters, TabCounters, View
from riveredge_sdk import FilterField, Repository, session, utcnow
from riveredge_sdk.models import uuid7
from riveredge_sdk.problems import invalid_field

_NOT_DELETED = col(InboxItem.deleted_at).is_(None)
_VIEWS: Mapping[View, tuple[ColumnElement[bool], ...]] = {
    "active": (_NOT_DELETED, col(InboxItem.archived_at).is_(None), col(InboxItem.snoozed_until).is_(None)),
    "archived": (_NOT_DELETED, col(InboxItem.archived_at).is_not(None)),
    "snoozed": (_NOT_DELETED, col(InboxItem.snoozed_until).is_not(None)),
    "deleted": (col(InboxItem.deleted_at).is_not(None),),
    "all": (_NOT_DELETED,),
}
_UNREAD = (*_VIEWS["active"], col(InboxItem.read_at).is_(None))
_COUNTS = (func.count(col(InboxItem.id)).filter(col(InboxItem.seen_at).is_(None)), func.count(col(InboxItem.id)))


@dataclass(frozen=True, slots=True)
class Unread:
    """How many of a person's items are unseen, and how many unread."""

    unseen: int = 0
    unread: int = 0


class Tabs(Repository[InboxTab]):
    """The organisation's tabs."""

    model = InboxTab
    fields = (FilterField("key", "text", InboxTab.key), FilterField("position", "integer", InboxTab.position))
    default_sort = "position,key"


class InboxItems(Repository[InboxItem]):
    """Items of inboxes."""

    model = InboxItem
    fields = (
        FilterField("subject", "text", InboxItem.subject),
        FilterField("text", "text", InboxItem.text),
        FilterField("category", "text", InboxItem.category),
        FilterField("tags", "text", InboxItem.tags),
        FilterField("delivery_id", "uuid", InboxItem.delivery_id),
        FilterField("shown_at", "datetime", InboxItem.shown_at),
        FilterField("seen_at", "datetime", InboxItem.seen_at),
        FilterField("read_at", "datetime", InboxItem.read_at),
        FilterField("archived_at", "datetime", InboxItem.archived_at),
        FilterField("snoozed_until", "datetime", InboxItem.snoozed_until),
        FilterField("deleted_at", "datetime", InboxItem.deleted_at),
    )
    default_sort = "-shown_at"

    async def unread(self, users: Sequence[UUID]) -> Mapping[UUID, Unread]:
        """The counters of each of these people."""
        query = (
            select(InboxItem.recipient_id, *_COUNTS)
            .where(col(InboxItem.recipient_id).in_(users), *_UNREAD)
            .group_by(col(InboxItem.recipient_id))
        )
        found = {user: Unread(unseen, unread) for user, unseen, unread in (await self.session.exec(query)).all()}
        return {user: found.get(user, Unread()) for user in users}

    async def counters(self, user: UUID, tabs: Iterable[InboxTab]) -> InboxCounters:
        """The counters of the whole inbox and of each tab, from one statement over the unread items."""
        query = (
            select(InboxItem.category, InboxItem.tags, *_COUNTS)
            .where(col(InboxItem.recipient_id) == user, *_UNREAD)
            .group_by(col(InboxItem.category), col(InboxItem.tags))
        )
        groups = (await self.session.exec(query)).all()
        counted = []
        for tab in tabs:
            shown = [(unseen, unread) for category, tags, unseen, unread in groups if _shows(tab, category, tags)]
            counted.append(TabCounters(tab=tab.key, unseen=sum(u for u, _ in shown), unread=sum(u for _, u in shown)))
        return InboxCounters(unseen=sum(g[2] for g in groups), unread=sum(g[3] for g in groups), tabs=counted)


async def conditions(view: View, tab: str | None) -> list[ColumnElement[bool]]:
    """What a view, and a tab of it, shows.

    Raises:
        Invalid: there is no such tab.
    """
    where = [*_VIEWS[view]]
    if tab is not None:
        found = await Tabs().find(col(InboxTab.key) == tab)
        if found is None:
            raise invalid_field("tab", f"There is no tab {tab!r} here.", "unknown_tab")
        with_tag = (col(InboxItem.tags).contains(f",{tag},", autoescape=True) for tag in found.tags)
        where.append(or_(false(), col(InboxItem.category).in_(found.categories), *with_tag))
    return where


def _shows(tab: InboxTab, category: str, tags: str) -> bool:
    return category in tab.categories or any(f",{tag}," in tags for tag in tab.tags)


async def hold(user: UUID) -> None:
    """Keep others from changing what this person has snoozed until the unit of work ends."""
    now = utcnow()
    dialect: Any = postgresql if session().get_bind().dialect.name == "postgresql" else sqlite
    row = {"id": uuid7(), "created_at": now, "updated_at": now, "version": 1, "user_id": user}
    insert = dialect.insert(Inbox).values(**row)
    await session().exec(
        insert.on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_={"updated_at": now})
    )
