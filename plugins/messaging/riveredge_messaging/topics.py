"""What browsers can follow of messages."""

from uuid import UUID

from riveredge_messaging.permissions import INBOX_USE
from riveredge_sdk import StreamTopic, push

INBOX = StreamTopic(
    "messaging.inbox",
    "My inbox",
    permission=INBOX_USE,
    scope="user",
    description="added, changed, removed, restored, returned and bulk; data: item, unseen, unread.",
)


def push_inbox(what: str, user: UUID, *, item: UUID | None, unseen: int, unread: int) -> None:
    """Tell the user's browsers what happened in their inbox, and how much is unseen and unread now."""
    push(INBOX, user, what=what, data={"item": item, "unseen": unseen, "unread": unread})
