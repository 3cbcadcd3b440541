"""Notices in people's browsers, through Web Push. Needs no provider: the installation's key is all there is to set."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col

from riveredge_messaging.channels.web_push.keys import installation_key
from riveredge_messaging.channels.web_push.sending import GoneError, Sender, content_of, push_to
from riveredge_messaging.inbox.options import read_options
from riveredge_messaging.reach.models import Device
from riveredge_messaging.reach.repository import Devices
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


@dataclass(slots=True)
class _Outcomes:
    """What became of a message on each of the person's devices."""

    used: list[UUID] = field(default_factory=list)
    gone: list[UUID] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    reference: str = ""

    def worst(self) -> Exception:
        """What is to be told of a message that no device has got."""
        for kind in (UnknownOutcome, TemporaryFailure, ConfigurationFailure):
            for failure in self.failures:
                if isinstance(failure, kind):
                    return failure
        return self.failures[0] if self.failures else PermanentFailure("The person's browsers have unsubscribed.")


class PushChannel(DeliveringChannel):
    """All browsers that the person has registered."""

    id = "messaging.push"
    title = "Push"
    description = "A notice in the person's browsers, also while no page of the platform is open."

    async def address_of(self, user_id: UUID) -> str | None:
        return (await self.addresses_of([user_id])).get(user_id)

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return {user_id: str(user_id) for user_id in await Devices().with_devices(user_ids)}

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        content = content_of(message, read_options(message))
        async with unit_of_work(read_only=True):
            devices = await Devices().all(col(Device.user_id) == message.recipient_id)
            sealed = {device.id: device.subscription for device in devices}
        sender = Sender(await installation_key(), _operator())
        outcomes = _Outcomes()
        await asyncio.gather(*(_one(outcomes, *each, content, message, sender) for each in sealed.items()))
        await _note(outcomes)
        if outcomes.used:
            return DeliveryResult("accepted", reference=outcomes.reference)
        raise outcomes.worst()


def _operator() -> str:
    """Where whoever runs the installation is reached. Some push services refuse addresses that cannot be."""
    given = MessagingSettings().web_push.subject
    return given or (address if (address := public_url("/")).startswith("https://") else "mailto:postmaster@localhost")


async def _one(  # noqa: PLR0917
    outcomes: _Outcomes, device_id: UUID, sealed: str, content: bytes, message: RenderedMessage, sender: Sender
) -> None:
    try:
        outcomes.reference = await push_to(json.loads(unseal(sealed)), content, message, sender) or outcomes.reference
    except (GoneError, UnreadableSecretError):
        outcomes.gone.append(device_id)
    except (PermanentFailure, TemporaryFailure, ConfigurationFailure, UnknownOutcome) as failure:
        outcomes.failures.append(failure)
    else:
        outcomes.used.append(device_id)


async def _note(outcomes: _Outcomes) -> None:
    """Forget the devices that are gone, and remember that the others are in use."""
    if not outcomes.gone and not outcomes.used:
        return
    async with unit_of_work():
        await session().exec(delete(Device).where(col(Device.id).in_(outcomes.gone)))
        used = update(Device).where(col(Device.id).in_(outcomes.used)).values(used_at=utcnow())
        await session().exec(used)
