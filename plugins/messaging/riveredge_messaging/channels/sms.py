"""Text messages to phones that people have proved to be theirs."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_messaging.channels.segments import segments
from riveredge_messaging.reach.phones import phone_number
from riveredge_messaging.reach.repository import Addresses
from riveredge_sdk.features.messaging import MessageChannel, PermanentFailure, RenderedMessage

SMS = "messaging.sms"
# Longer texts are put together by phones in theory only, and every message costs.
MAX_SEGMENTS = 10


class SmsChannel(MessageChannel):
    """Phone numbers in the form of E.164."""

    id = SMS
    title = "SMS"
    description = "A text message to the person's phone, once they have proved the number."
    has_subject = False
    only_if_named = True

    async def address_of(self, user_id: UUID) -> str | None:
        return (await self.addresses_of([user_id])).get(user_id)

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return await Addresses().proved(SMS, user_ids)

    def check_address(self, address: str) -> str:
        return phone_number(address)

    async def forget_address(self, user_id: UUID, address: str) -> None:
        await Addresses().forget(SMS, user_id, address)


def whole_text(message: RenderedMessage) -> str:
    """The text, if a phone can take it.

    Raises:
        PermanentFailure: it would be more than `MAX_SEGMENTS` messages.
    """
    count = segments(message.text).count
    if count > MAX_SEGMENTS:
        raise PermanentFailure(f"The text takes {count} messages; at most {MAX_SEGMENTS} are sent.")
    return message.text
