"""`/api/v1/messaging/devices`: the browsers and apps that notify one."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.channels.web_push.encryption import encode, public_bytes
from riveredge_messaging.channels.web_push.keys import installation_key
from riveredge_messaging.permissions import INBOX_USE
from riveredge_messaging.reach.models import Device
from riveredge_messaging.reach.schemas import DeviceChange, DeviceIn, DeviceOut, PushKeyOut
from riveredge_messaging.reach.service import OwnDevices
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, current_principal

router = Router(prefix="/devices", tag="Messaging: devices")
devices = OwnDevices()


def _me() -> UUID:
    return current_principal().id


@router.get(require=INBOX_USE, summary="My devices")
async def list_devices(query: Annotated[ListQuery, Query()]) -> Page[DeviceOut]:
    return await devices.rows.page(query, col(Device.user_id) == _me(), into=DeviceOut)


@router.get("/push-key", require=INBOX_USE, summary="The key that browsers subscribe with")
async def get_push_key() -> PushKeyOut:
    return PushKeyOut(public_key=encode(public_bytes(await installation_key())))


@router.get("/{device_id}", require=INBOX_USE, summary="One of my devices")
async def get_device(device_id: UUID) -> DeviceOut:
    return DeviceOut.model_validate(await devices.find(_me(), device_id))


@router.post(require=INBOX_USE, summary="Let this browser or app notify me")
async def register_device(body: DeviceIn) -> DeviceOut:
    """One that is registered again keeps its id. One that was somebody else's is one's own from then on."""
    return DeviceOut.model_validate(await devices.register(_me(), body))


@router.patch("/{device_id}", require=INBOX_USE, summary="Rename a device")
async def change_device(device_id: UUID, body: DeviceChange, version: ExpectedVersion) -> DeviceOut:
    device = await devices.find(_me(), device_id, version=version)
    return DeviceOut.model_validate(await devices.rows.change(device, body.given()))


@router.delete("/{device_id}", require=INBOX_USE, summary="Do not notify me there any more")
async def delete_device(device_id: UUID) -> None:
    await devices.rows.delete(await devices.find(_me(), device_id))
