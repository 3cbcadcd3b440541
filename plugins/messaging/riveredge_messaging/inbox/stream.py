"""What browsers can follow of messages."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_messaging.inbox.repository import InboxItems
from riveredge_messaging.permissions import INBOX_USE
from riveredge_sdk import StreamTopic, push


async def _unread(keys: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    counted = await InboxItems().unread([UUID(key) for key in keys])
    return {str(user): {"unseen": each.unseen, "unread": each.unread} for user, each in counted.items()}


INBOX = StreamTopic(
    "messaging.inbox",
    "My inbox",
    permission=INBOX_USE,
    scope="user",
    description="added, changed, removed, restored, returned and bulk; data: item, unseen, unread.",
    counters=_unread,
)


def push_inbox(what: str, user: UUID, item: UUID | None) -> None:
    """Tell the user's browsers what happened in their inbox, and how much is unseen and unread then."""
    push(INBOX, user, what=what, data={"item": item})
