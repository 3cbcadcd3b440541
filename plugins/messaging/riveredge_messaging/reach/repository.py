"""Access to people's own addresses and devices."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.reach.models import Address, Device
from riveredge_sdk import FilterField, Repository


class Addresses(Repository[Address]):
    """Addresses, at most one of each person on each channel."""

    model = Address
    fields = (FilterField("channel", "text", Address.channel),)
    default_sort = "channel"

    async def proved(self, channel: str, users: Sequence[UUID]) -> Mapping[UUID, str]:
        """Those of the people who have proved an address on the channel."""
        query = select(Address.user_id, Address.address).where(
            col(Address.channel) == channel, col(Address.user_id).in_(users), col(Address.address).is_not(None)
        )
        return {user: address for user, address in (await self.session.exec(query)).all() if address is not None}

    async def forget(self, channel: str, user: UUID, address: str) -> None:
        """The address is gone; unless it was replaced already."""
        where = (col(Address.channel) == channel, col(Address.user_id) == user, col(Address.address) == address)
        found = await self.find(*where)
        if found is not None:
            await self.change(found, {"address": None, "verified_at": None})


class Devices(Repository[Device]):
    """Devices."""

    model = Device
    fields = (
        FilterField("title", "text", Device.title),
        FilterField("service", "text", Device.service),
        FilterField("provider", "text", Device.provider),
        FilterField("app", "text", Device.app),
    )

    async def with_devices(self, users: Sequence[UUID]) -> set[UUID]:
        """Those of the people who have any."""
        query = select(Device.user_id).where(col(Device.user_id).in_(users)).distinct()
        return set((await self.session.exec(query)).all())
