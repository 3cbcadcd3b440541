"""People register the browsers that notify them."""

import hashlib
import json
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from riveredge_messaging.reach.models import Device
from riveredge_messaging.reach.repository import Devices
from riveredge_messaging.reach.schemas import DeviceIn
from riveredge_sdk import session
from riveredge_sdk.problems import Conflict, NotFound
from riveredge_sdk.secrets import seal

MAX_DEVICES = 20


class OwnDevices:
    """A person's own devices, in the running unit of work."""

    def __init__(self) -> None:
        self.rows = Devices()

    async def find(self, user: UUID, device_id: UUID, *, version: int | None = None) -> Device:
        """The device.

        Raises:
            NotFound: there is none of this person's.
            PreconditionFailed: it has another version.
        """
        found = await self.rows.find(col(Device.id) == device_id, col(Device.user_id) == user)
        if found is None:
            raise NotFound(f"You have no device {device_id}.")
        return await self.rows.get(device_id, version=version, lock=True) if version is not None else found

    async def register(self, user: UUID, body: DeviceIn) -> Device:
        """Notify on this browser. One that is known already, perhaps as somebody else's, is this person's from now on.

        Raises:
            Conflict: there are `MAX_DEVICES` already.
        """
        subscription = body.subscription
        digest = hashlib.sha256(subscription.endpoint.encode()).hexdigest()
        mine = await self.rows.find(col(Device.digest) == digest, col(Device.user_id) == user)
        kept = {"endpoint": subscription.endpoint, "keys": subscription.keys.model_dump()}
        sealed = seal(json.dumps(kept))
        if mine is not None:
            return await self.rows.change(mine, {"subscription": sealed, "title": body.title})
        # Who signs in on a shared computer must not go on notifying who was there before.
        await session().exec(delete(Device).where(col(Device.digest) == digest))
        if await self.rows.count(col(Device.user_id) == user) >= MAX_DEVICES:
            raise Conflict(f"You have {MAX_DEVICES} devices already; delete one first.")
        service = urlsplit(subscription.endpoint).hostname or ""
        device = Device(user_id=user, title=body.title, service=service[:255], digest=digest, subscription=sealed)
        return await self.rows.add(device)
