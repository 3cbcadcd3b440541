"""Notices on people's devices: in browsers by Web Push, which needs no provider, and in apps by push services."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col

from riveredge_messaging.channels.push_services import Route, Routes
from riveredge_messaging.channels.web_push.keys import installation_key
from riveredge_messaging.channels.web_push.sending import GoneError, Sender, content_of, push_to
from riveredge_messaging.configs.results import Result, note_health
from riveredge_messaging.inbox.options import read_options
from riveredge_messaging.reach.models import PUSH, WEB_PUSH, Device
from riveredge_messaging.reach.repository import Devices
from riveredge_messaging.repository import Deliveries
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk import session, unit_of_work, utcnow
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DeliveringChannel,
    DeliveryResult,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.runtime import public_url
from riveredge_sdk.secrets import UnreadableSecretError, unseal


@dataclass(frozen=True, slots=True)
class _Device:
    """A device, as it was when the message went out."""

    id: UUID
    provider: str
    reach: Mapping[str, object]
    registered_at: datetime
    route: Route


@dataclass(slots=True)
class _Outcomes:
    """What became of a message on each of the person's devices."""

    used: list[UUID] = field(default_factory=list)
    gone: list[UUID] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    reference: str = ""

    def worst(self) -> Exception:
        """What is to be told of a message that no device has got."""
        for kind in (UnknownOutcome, TemporaryFailure, ConfigurationFailure):
            for failure in self.failures:
                if isinstance(failure, kind):
                    return failure
        # A device is gone, but the person is not: who registers another one is notified again.
        return PermanentFailure(str(self.failures[0]) if self.failures else "The person's devices have unsubscribed.")


class PushChannel(DeliveringChannel):
    """All devices that the person has registered."""

    id = PUSH
    title = "Push"
    description = "A notice on the person's devices, also while no page of the platform and no app is open."

    async def address_of(self, user_id: UUID) -> str | None:
        return (await self.addresses_of([user_id])).get(user_id)

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return {user_id: str(user_id) for user_id in await Devices().with_devices(user_ids)}

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        outcomes = _Outcomes()
        devices = await _devices(message, outcomes)
        content = content_of(message, read_options(message))
        sender = Sender(await installation_key(), _operator())
        await asyncio.gather(*(_one(outcomes, device, content, message, sender) for device in devices))
        await _note(outcomes)
        if outcomes.used:
            return DeliveryResult("accepted", reference=outcomes.reference)
        raise outcomes.worst()


@unit_of_work()
async def _devices(message: RenderedMessage, outcomes: _Outcomes) -> list[_Device]:
    """The person's devices that can be reached now, and what each is reached by. What cannot be read is gone."""
    delivery = await Deliveries().get(message.delivery_id)
    routes = await Routes.load(message, delivery.pinned_config)
    found: list[_Device] = []
    for device in await Devices().all(col(Device.user_id) == message.recipient_id):
        route = routes.to(device)
        if route is None:
            continue
        try:
            reach = json.loads(unseal(device.subscription))
        except UnreadableSecretError:
            outcomes.gone.append(device.id)
            continue
        found.append(_Device(device.id, device.provider, reach, device.registered_at, route))
    if delivery.pinned_config is not None and not found:
        raise PermanentFailure("You have no device that this configuration reaches; register one first.")
    await routes.begin()
    return found


def _operator() -> str:
    """Where whoever runs the installation is reached. Some push services refuse addresses that cannot be."""
    given = MessagingSettings().web_push.subject
    return given or (address if (address := public_url("/")).startswith("https://") else "mailto:postmaster@localhost")


async def _one(outcomes: _Outcomes, device: _Device, content: bytes, message: RenderedMessage, sender: Sender) -> None:
    try:
        if device.provider == WEB_PUSH:
            reference = await push_to(device.reach, content, message, sender)
        else:
            reference = await device.route.send(str(device.reach["token"]), message, outcomes.results)
    except GoneError:
        outcomes.gone.append(device.id)
    except (PermanentFailure, TemporaryFailure, ConfigurationFailure, UnknownOutcome) as failure:
        since = failure.gone_at if isinstance(failure, PermanentFailure) else None
        outcomes.failures.append(failure)
        # Who has registered since is there again.
        if isinstance(failure, PermanentFailure) and failure.bad_address and (since or utcnow()) > device.registered_at:
            outcomes.gone.append(device.id)
    else:
        outcomes.used.append(device.id)
        outcomes.reference = reference or outcomes.reference


async def _note(outcomes: _Outcomes) -> None:
    """Forget the devices that are gone, remember that the others are in use, and how the push services did."""
    if not outcomes.gone and not outcomes.used and not outcomes.results:
        return
    async with unit_of_work():
        await session().exec(delete(Device).where(col(Device.id).in_(outcomes.gone)))
        used = update(Device).where(col(Device.id).in_(outcomes.used)).values(used_at=utcnow())
        await session().exec(used)
        await note_health(outcomes.results)
