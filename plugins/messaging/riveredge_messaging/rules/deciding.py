"""The rules, in their order, for one person on one channel: address, suppression, preference, escalation, digest,
quiet hours. (The throttle comes last and writes; see `throttles`.)

Everything that the rules need of some people is loaded at once; deciding then asks nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.feedback import suppression
from riveredge_messaging.models import DeliveryStatus, Message, MessageKind
from riveredge_messaging.rules.models import QuietHours
from riveredge_messaging.rules.preferences import Choices, load_choices
from riveredge_messaging.rules.quiet import Window, quiet_until
from riveredge_messaging.rules.quiet_settings import read_windows, tenant_windows
from riveredge_messaging.rules.repository import QuietTimes
from riveredge_messaging.settings import MessagingTenantSettings
from riveredge_sdk import get_service, tenant_settings
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import DeliveringChannel, MessageChannel
from riveredge_sdk.features.people import PEOPLE, Person

IN_APP = "messaging.in_app"
# Held deliveries become due on this grid, so that many share an instant.
GRID_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the rules say. `rule`, `reason`: which rule decided, and the code of its sentence.

    Args:
        due_at: until when it is held.
        passed: the codes of what let it through before.
    """

    status: DeliveryStatus
    rule: str
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None
    passed: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules with all they need to know of some people."""

    message: Message
    category: MessageCategory
    channels: Mapping[str, MessageChannel]
    people: Mapping[UUID, Person]
    addresses: Mapping[str, Mapping[UUID, str]]
    choices: Choices
    quiet: Mapping[UUID, tuple[Sequence[Window], str | None]]
    quiet_of_tenant: Sequence[Window]
    spread_s: int
    suppressed: frozenset[str]

    @classmethod
    async def load(
        cls,
        message: Message,
        category: MessageCategory,
        channels: Mapping[str, MessageChannel],
        user_ids: Sequence[UUID],
    ) -> "Rules":
        """Everything about these people. Inside a unit of work."""
        settings = await tenant_settings(MessagingTenantSettings)
        addresses = {key: await channel.addresses_of(user_ids) for key, channel in channels.items()}
        rows = await QuietTimes().all(col(QuietHours.user_id).in_(list(user_ids)))
        return cls(
            message=message,
            category=category,
            channels=channels,
            people=await get_service(PEOPLE).find(user_ids),
            addresses=addresses,
            choices=await load_choices(user_ids),
            quiet={row.user_id: (read_windows(row.windows), row.zone) for row in rows},
            quiet_of_tenant=tenant_windows(settings),
            spread_s=settings.quiet_spread_s,
            suppressed=await _suppressed(channels, addresses),
        )

    def admit(self, user_id: UUID, channel: str, now: datetime) -> Ruling:
        """Whether the person is to get it on the channel at all; `queued` if so."""
        unreachable = self._unreachable(user_id, channel)
        if unreachable is not None:
            return unreachable
        if self.message.expires_at is not None and now >= self.message.expires_at:
            return _stop(DeliveryStatus.EXPIRED, "expiry", "expired", at=self.message.expires_at)
        if self.is_test:
            return Ruling(status=DeliveryStatus.QUEUED, rule="test", reason="test", passed=("test",))
        answer = self.choices.answer(user_id, self.category, channel)
        if not answer.on:
            return _stop(DeliveryStatus.SKIPPED, "preference", answer.reason, category=self.category.title)
        return Ruling(status=DeliveryStatus.QUEUED, rule="preference", reason=answer.reason, passed=(answer.reason,))

    def _unreachable(self, user_id: UUID, channel: str) -> Ruling | None:
        person = self.people.get(user_id)
        if person is None or not person.active:
            return _stop(DeliveryStatus.SKIPPED, "recipient", "no_member")
        if channel not in self.channels:
            return _stop(DeliveryStatus.SKIPPED, "channel", "no_channel", channel=channel)
        address = self.addresses.get(channel, {}).get(user_id)
        if address is None:
            return _stop(DeliveryStatus.SKIPPED, "address", "no_address")
        if suppression.digest_of(self.channels[channel], address) in self.suppressed:
            return _stop(DeliveryStatus.SUPPRESSED, "suppression", "suppressed")
        return None

    def wait(self, user_id: UUID, channel: str, now: datetime) -> Ruling | None:
        """The quiet hours that hold it now, if any."""
        if channel == IN_APP or self.is_test:
            return None
        person = self.people[user_id]
        windows, zone = self.quiet.get(user_id, (self.quiet_of_tenant, None))
        place = zone or person.timezone
        until = quiet_until(windows, place, now)
        if until is None or self.category.kind == "critical":
            return None
        due_at = until + timedelta(seconds=self._spread(user_id))
        expires_at = self.message.expires_at
        if expires_at is not None and due_at >= expires_at:
            return _stop(DeliveryStatus.EXPIRED, "quiet_hours", "expires_in_quiet", until=until, zone=place)
        detail = {"until": until.isoformat(), "zone": place}
        return Ruling(status=DeliveryStatus.DEFERRED, rule="quiet_hours", reason="quiet", detail=detail, due_at=due_at)

    def escalate(self, channel: str, base: datetime) -> Ruling | None:
        """Whether the channel has to wait and see if the message is read in the inbox."""
        step = next((step for step in self.category.escalation if step.channel == channel), None)
        if step is None or self.is_test or IN_APP not in self.message.channels:
            return None
        due_at = base + timedelta(seconds=step.after_s)
        detail = {"minutes": round(step.after_s / 60, 1), "at": due_at.isoformat()}
        return Ruling(
            status=DeliveryStatus.DEFERRED, rule="escalation", reason="escalation", detail=detail, due_at=due_at
        )

    @property
    def is_test(self) -> bool:
        return self.message.kind == MessageKind.TEST

    @property
    def gathers(self) -> bool:
        """Whether messages of the category are gathered into digests."""
        is_plain = self.message.kind == MessageKind.MESSAGE
        # A digest says what there is, and brings no files.
        is_plain = is_plain and self.message.files == 0
        return self.category.digest is not None and self.category.kind != "critical" and is_plain

    def _spread(self, user_id: UUID) -> int:
        """Some seconds, for each person others, so that not everybody's are due at once."""
        steps = self.spread_s // GRID_SECONDS + 1
        return (user_id.int ^ self.message.id.int) % steps * GRID_SECONDS


async def _suppressed(
    channels: Mapping[str, MessageChannel], addresses: Mapping[str, Mapping[UUID, str]]
) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for key, channel in channels.items():
        # What needs no provider has no addresses that could bounce.
        if not isinstance(channel, DeliveringChannel):
            found |= await suppression.among(channel, addresses[key].values())
    return found


def _stop(status: DeliveryStatus, rule: str, reason: str, **detail: Any) -> Ruling:
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in detail.items()}
    return Ruling(status=status, rule=rule, reason=reason, detail=plain)
