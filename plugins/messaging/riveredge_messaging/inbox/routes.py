"""`/api/v1/messaging/inbox`: one's own in-app messages."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.inbox.repository import Tabs, conditions
from riveredge_messaging.inbox.schemas import (
    AnswerIn,
    BulkIn,
    BulkOut,
    InboxCounters,
    InboxOut,
    InboxPage,
    InboxQuery,
    Operation,
    SnoozeIn,
)
from riveredge_messaging.inbox.service import Inboxes
from riveredge_messaging.permissions import INBOX_USE
from riveredge_sdk import Router, current_principal

router = Router(prefix="/inbox", tag="Messaging: inbox")
inboxes = Inboxes()


def _me() -> UUID:
    return current_principal().id


async def _do(item_id: UUID, operation: Operation) -> InboxOut:
    return InboxOut.model_validate(await inboxes.change_one(_me(), item_id, operation))


@router.get(require=INBOX_USE, summary="My inbox, newest first")
async def list_inbox(query: Annotated[InboxQuery, Query()]) -> InboxPage:
    where = await conditions(query.view, query.tab)
    page = await inboxes.items.page(query, col(InboxItem.recipient_id) == _me(), *where, into=InboxOut)
    counters = (await inboxes.items.unread([_me()]))[_me()]
    return InboxPage(items=page.items, next=page.next, unseen=counters.unseen, unread=counters.unread)


@router.get("/counters", require=INBOX_USE, summary="How many messages are unseen and unread, in all and in each tab")
async def count_inbox() -> InboxCounters:
    return await inboxes.items.counters(_me(), await Tabs().all())


@router.post("/bulk", require=INBOX_USE, status=200, summary="Change many of my messages at once")
async def change_inbox(body: BulkIn) -> BulkOut:
    filter_ = json.dumps(body.filter) if body.filter is not None else None
    where = await inboxes.selected(body.ids, body.view, body.tab, filter_)
    changed, counters = await inboxes.change_many(_me(), where, body.do, body.until)
    return BulkOut(changed=changed, unseen=counters.unseen, unread=counters.unread)


@router.get("/{item_id}", require=INBOX_USE, summary="One message of my inbox")
async def get_inbox_item(item_id: UUID) -> InboxOut:
    return InboxOut.model_validate(await inboxes.find(_me(), item_id))


@router.post("/{item_id}/seen", require=INBOX_USE, status=200, summary="Mark as seen")
async def see_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "seen")


@router.post("/{item_id}/read", require=INBOX_USE, status=200, summary="Mark as read")
async def read_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "read")


@router.post("/{item_id}/unread", require=INBOX_USE, status=200, summary="Mark as unread")
async def unread_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "unread")


@router.post("/{item_id}/archive", require=INBOX_USE, status=200, summary="Move to the archive")
async def archive_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "archive")


@router.post("/{item_id}/unarchive", require=INBOX_USE, status=200, summary="Take out of the archive")
async def unarchive_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "unarchive")


@router.post("/{item_id}/snooze", require=INBOX_USE, status=200, summary="Hide until later; then it is new again")
async def snooze_inbox_item(item_id: UUID, body: SnoozeIn) -> InboxOut:
    return InboxOut.model_validate(await inboxes.change_one(_me(), item_id, "snooze", body.until))


@router.post("/{item_id}/unsnooze", require=INBOX_USE, status=200, summary="Show again now")
async def unsnooze_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "unsnooze")


@router.post("/{item_id}/undelete", require=INBOX_USE, status=200, summary="Take back a deletion, within 30 days")
async def undelete_inbox_item(item_id: UUID) -> InboxOut:
    return await _do(item_id, "undelete")


@router.post("/{item_id}/actions/{action}", require=INBOX_USE, status=200, summary="Press a button of a message")
async def answer_inbox_item(item_id: UUID, action: str, body: AnswerIn) -> InboxOut:
    """The answer is kept, and told to other plugins by the event `messaging/inbox.answered`."""
    return InboxOut.model_validate(await inboxes.answer(_me(), item_id, action, body.checked()))


@router.delete("/{item_id}", require=INBOX_USE, summary="Delete from my inbox")
async def delete_inbox_item(item_id: UUID) -> None:
    await _do(item_id, "delete")
