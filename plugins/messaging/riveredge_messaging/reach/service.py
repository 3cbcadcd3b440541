"""People register the devices that notify them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from riveredge_messaging.configs.catalog import providers
from riveredge_messaging.reach.models import PUSH, WEB_PUSH, Device
from riveredge_messaging.reach.repository import Devices
from riveredge_messaging.reach.schemas import DeviceIn
from riveredge_sdk import session, utcnow
from riveredge_sdk.problems import Conflict, NotFound, invalid_field
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
        """Notify on this device. One that is known already, perhaps as somebody else's, is this person's from now on.

        Raises:
            Invalid: there is no such provider, or it is not reached like this.
            Conflict: there are `MAX_DEVICES` already.
        """
        reached = _reached(body)
        kept: dict[str, Any] = {
            "provider": body.provider,
            "app": body.app,
            "environment": body.environment,
            "service": reached.service[:255],
            "subscription": seal(json.dumps(reached.by)),
            "title": body.title,
            "registered_at": utcnow(),
        }
        mine = await self.rows.find(col(Device.digest) == reached.digest, col(Device.user_id) == user)
        if mine is not None:
            return await self.rows.change(mine, kept)
        # Who signs in on a shared device must not go on notifying who was there before.
        await session().exec(delete(Device).where(col(Device.digest) == reached.digest))
        if await self.rows.count(col(Device.user_id) == user) >= MAX_DEVICES:
            raise Conflict(f"You have {MAX_DEVICES} devices already; delete one first.")
        return await self.rows.add(Device(user_id=user, digest=reached.digest, **kept))


@dataclass(frozen=True, slots=True)
class _Reached:
    """How a device is reached: what is kept, whose service that is, and by what the same device is told."""

    by: Mapping[str, Any]
    service: str
    digest: str


def _reached(body: DeviceIn) -> _Reached:
    if body.provider == WEB_PUSH:
        if body.token is not None:
            raise invalid_field("token", "A browser has no token but a subscription.", "unexpected")
        if body.subscription is None:
            raise invalid_field("subscription", "Give what PushSubscription.toJSON() gives.", "missing")
        endpoint = body.subscription.endpoint
        by = {"endpoint": endpoint, "keys": body.subscription.keys.model_dump()}
        return _Reached(by, urlsplit(endpoint).hostname or "", hashlib.sha256(endpoint.encode()).hexdigest())
    there = {name: each for name, each in providers().items() if each.channel == PUSH}
    if body.provider not in there:
        known = ", ".join(sorted([WEB_PUSH, *there]))
        raise invalid_field("provider", f"Devices can be of: {known}.", "unknown")
    if body.subscription is not None:
        raise invalid_field("subscription", "An app has no subscription but a token.", "unexpected")
    if body.token is None:
        raise invalid_field("token", "Give the token that the push service has given the app.", "missing")
    try:
        token = there[body.provider].check_address(body.token)
    except ValueError as error:
        raise invalid_field("token", f"{error}", "token") from None
    return _Reached({"token": token}, "", hashlib.sha256(f"{body.provider}\n{token}".encode()).hexdigest())
