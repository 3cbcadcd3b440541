"""Channels to places instead of people: another system's webhook, a chat room. Their providers know where that is."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_messaging.configs.catalog import configs_of
from riveredge_sdk.features.messaging import MessageChannel

WEBHOOK = "messaging.webhook"
CHAT = "messaging.chat"


class _Place(MessageChannel):
    """Everybody is reached, once the organisation has set up where: what is for them goes there, and names them."""

    only_if_named = True

    async def address_of(self, user_id: UUID) -> str | None:
        return (await self.addresses_of([user_id])).get(user_id)

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        usable, broken = await configs_of(self.id)
        return {user_id: str(user_id) for user_id in user_ids} if usable or broken else {}


class WebhookChannel(_Place):
    """Another system, which does with the message what it likes."""

    id = WEBHOOK
    title = "Webhook"
    description = "A signed call to another system, with the message and the recipient's id."
    has_html = True


class ChatChannel(_Place):
    """A room of a team's chat."""

    id = CHAT
    title = "Chat"
    description = "A message in a room of Slack, Teams, Feishu, DingTalk, WeCom or another chat."
