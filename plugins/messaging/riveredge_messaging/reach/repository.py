"""Access to people's own addresses and devices."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.reach.models import Device
from riveredge_sdk import FilterField, Repository


class Devices(Repository[Device]):
    """Devices."""

    model = Device
    fields = (FilterField("title", "text", Device.title), FilterField("service", "text", Device.service))

    async def with_devices(self, users: Sequence[UUID]) -> set[UUID]:
        """Those of the people who have any."""
        query = select(Device.user_id).where(col(Device.user_id).in_(users)).distinct()
        return set((await self.session.exec(query)).all())
