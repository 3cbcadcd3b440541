"""What the plugin holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from riveredge_messaging.delivery import personal as delivery_personal
from riveredge_messaging.inbox.models import Inbox, InboxItem
from riveredge_messaging.inbox.repository import InboxItems
from riveredge_messaging.inbox.schemas import InboxOut
from riveredge_messaging.models import Delivery
from riveredge_messaging.reach.models import Address, Device
from riveredge_messaging.reach.repository import Addresses, Devices
from riveredge_messaging.reach.schemas import AddressOut, DeviceOut
from riveredge_messaging.repository import Deliveries
from riveredge_messaging.rules import personal as rules_personal
from riveredge_messaging.schemas import DeliveryOut
from riveredge_sdk import session


async def export(user_id: UUID) -> dict[str, Any]:
    """Inbox, deliveries and how they were handed over, addresses, devices, and what the rules hold, as JSON."""
    items = await InboxItems().all(col(InboxItem.recipient_id) == user_id)
    addresses = await Addresses().all(col(Address.user_id) == user_id)
    devices = await Devices().all(col(Device.user_id) == user_id)
    sent = await Deliveries().all(col(Delivery.recipient_id) == user_id)
    return {
        "inbox": [InboxOut.model_validate(item).model_dump(mode="json") for item in items],
        "deliveries": [DeliveryOut.model_validate(row).model_dump(mode="json") for row in sent],
        "addresses": [AddressOut.model_validate(address).model_dump(mode="json") for address in addresses],
        "devices": [DeviceOut.model_validate(device).model_dump(mode="json") for device in devices],
        **await delivery_personal.export(user_id),
        **await rules_personal.export(user_id),
    }


async def erase(user_id: UUID) -> int:
    """Delete the inbox, the person's addresses and devices, and what deliveries tell of the person."""
    # While it is known which addresses are the person's.
    cleared = await delivery_personal.erase(user_id)
    removed = await session().exec(delete(InboxItem).where(col(InboxItem.recipient_id) == user_id))
    await session().exec(delete(Inbox).where(col(Inbox.user_id) == user_id))
    addresses = await session().exec(delete(Address).where(col(Address.user_id) == user_id))
    devices = await session().exec(delete(Device).where(col(Device.user_id) == user_id))
    own = removed.rowcount + addresses.rowcount + devices.rowcount
    return own + cleared + await rules_personal.erase(user_id)
