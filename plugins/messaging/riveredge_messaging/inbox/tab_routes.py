"""`/api/v1/messaging/inbox-tabs`: how the organisation's inboxes are divided."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_messaging.inbox.models import InboxTab
from riveredge_messaging.inbox.repository import Tabs
from riveredge_messaging.inbox.schemas import TabChange, TabIn, TabOut
from riveredge_messaging.permissions import INBOX_MANAGE, INBOX_USE
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import Conflict

MAX_TABS = 20

router = Router(prefix="/inbox-tabs", tag="Messaging: inbox", audit="messaging.inbox_tab")
tabs = Tabs()


@router.get(require=INBOX_USE, summary="The tabs of inboxes, in their order")
async def list_inbox_tabs(query: Annotated[ListQuery, Query()]) -> Page[TabOut]:
    return await tabs.page(query, into=TabOut)


@router.get("/{tab_id}", require=INBOX_USE, summary="One tab")
async def get_inbox_tab(tab_id: UUID) -> TabOut:
    return TabOut.model_validate(await tabs.get(tab_id))


@router.post(require=INBOX_MANAGE, summary="Add a tab to everybody's inbox")
async def create_inbox_tab(body: TabIn) -> TabOut:
    if await tabs.count() >= MAX_TABS:
        raise Conflict(f"There are {MAX_TABS} tabs already; delete one first.")
    return TabOut.model_validate(await tabs.add(InboxTab(**body.model_dump())))


@router.patch("/{tab_id}", require=INBOX_MANAGE, summary="Change a tab")
async def change_inbox_tab(tab_id: UUID, body: TabChange, version: ExpectedVersion) -> TabOut:
    return TabOut.model_validate(await tabs.change(await tabs.get(tab_id, version=version, lock=True), body.given()))


@router.delete("/{tab_id}", require=INBOX_MANAGE, summary="Delete a tab; its messages stay")
async def delete_inbox_tab(tab_id: UUID, version: ExpectedVersion) -> None:
    await tabs.delete(await tabs.get(tab_id, version=version, lock=True))
