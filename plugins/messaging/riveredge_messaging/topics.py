"""What browsers can follow of messages."""

from uuid import UUID

from riveredge_messaging.models import InboxItem
from riveredge_messaging.permissions import INBOX_USE
from riveredge_messaging.repository import Inbox
from riveredge_sdk import StreamTopic, push

INBOX = StreamTopic(
    "messaging.inbox",
    "My inbox",
    permission=INBOX_USE,
    scope="user",
    description="added, changed, removed and read_all; data: item, unread.",
)


async def push_inbox(what: str, user_id: UUID, item: InboxItem | None = None) -> None:
    """Tell the user's browsers what happened in their inbox, and how much is unread now."""
    push(INBOX, user_id, what=what, data={"item": item.id if item else None, "unread": await Inbox().unread(user_id)})
