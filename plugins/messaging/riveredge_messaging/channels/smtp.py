"""E-mail: who is reached where. The mails go out through providers."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_messaging.providers.addresses import mail_address
from riveredge_sdk import get_service
from riveredge_sdk.features.messaging import MessageChannel
from riveredge_sdk.features.people import PEOPLE


class EmailChannel(MessageChannel):
    """Mail to the address of the user's account."""

    id = "messaging.email"
    title = "E-mail"
    description = "A mail to the address of the person's account."
    has_html = True
    has_files = True

    async def address_of(self, user_id: UUID) -> str | None:
        return (await self.addresses_of([user_id])).get(user_id)

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        people = await get_service(PEOPLE).find(user_ids)
        return {user_id: person.email for user_id, person in people.items() if person.active}

    def check_address(self, address: str) -> str:
        return mail_address(address).addr_spec
