"""`/api/v1/messaging/inbox`: one's own in-app messages."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import update
from sqlmodel import col

from riveredge_messaging.models import InboxItem
from riveredge_messaging.permissions import INBOX_USE
from riveredge_messaging.repository import Inbox
from riveredge_messaging.schemas import InboxOut, InboxPage, Unread
from riveredge_messaging.topics import push_inbox
from riveredge_sdk import ListQuery, Router, current_principal, session, utcnow
from riveredge_sdk.problems import NotFound

router = Router(prefix="/inbox", tag="Messaging: inbox")
inbox = Inbox()


def _mine() -> UUID:
    return current_principal().id


async def _find(item_id: UUID) -> InboxItem:
    found = await inbox.find(col(InboxItem.id) == item_id, col(InboxItem.recipient_id) == _mine())
    if found is None:
        raise NotFound(f"There is no message {item_id} in your inbox.")
    return found


async def _change(item: InboxItem, read_at: datetime | None) -> InboxOut:
    changed = InboxOut.model_validate(await inbox.change(item, {"read_at": read_at}))
    await push_inbox("changed", _mine(), item)
    return changed


@router.get(require=INBOX_USE, summary="My inbox, newest first")
async def list_inbox(query: Annotated[ListQuery, Query()]) -> InboxPage:
    page = await inbox.page(query, col(InboxItem.recipient_id) == _mine(), into=InboxOut)
    return InboxPage(items=page.items, next=page.next, unread=await inbox.unread(_mine()))


@router.get("/unread", require=INBOX_USE, summary="How many messages are unread")
async def count_unread() -> Unread:
    return Unread(unread=await inbox.unread(_mine()))


@router.post("/read-all", require=INBOX_USE, status=200, summary="Mark everything as read")
async def read_all() -> Unread:
    unread = (col(InboxItem.recipient_id) == _mine(), col(InboxItem.read_at).is_(None))
    await session().exec(update(InboxItem).where(*unread).values(read_at=utcnow()))
    await push_inbox("read_all", _mine())
    return Unread(unread=0)


@router.get("/{item_id}", require=INBOX_USE, summary="One message of my inbox")
async def get_inbox_item(item_id: UUID) -> InboxOut:
    return InboxOut.model_validate(await _find(item_id))


@router.post("/{item_id}/read", require=INBOX_USE, status=200, summary="Mark as read")
async def read_item(item_id: UUID) -> InboxOut:
    item = await _find(item_id)
    return await _change(item, item.read_at or utcnow())


@router.post("/{item_id}/unread", require=INBOX_USE, status=200, summary="Mark as unread")
async def unread_item(item_id: UUID) -> InboxOut:
    return await _change(await _find(item_id), None)


@router.delete("/{item_id}", require=INBOX_USE, summary="Delete from my inbox")
async def delete_inbox_item(item_id: UUID) -> None:
    item = await _find(item_id)
    await inbox.delete(item)
    await push_inbox("removed", _mine(), item)
