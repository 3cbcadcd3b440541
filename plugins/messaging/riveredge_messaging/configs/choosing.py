"""Which configuration a delivery goes through: by conditions, priority or cost, health and what was tried before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from riveredge_messaging.configs.catalog import Broken, Usable
from riveredge_messaging.configs.health import OK, State, state_of
from riveredge_messaging.delivery.models import AttemptState, ConfigHealth, DeliveryAttempt
from riveredge_messaging.settings import MessagingTenantSettings
from riveredge_sdk import tenant_settings
from riveredge_sdk.features.messaging import RenderedMessage

# So often one configuration is tried before the next one takes over.
TRIES_EACH = 2
# Pauses between tries; there is one try more than pauses.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 7200, 21_600, 43_200))
# A recipient's server that asks to come back later means minutes (greylisting).
RECIPIENT_PAUSE = timedelta(minutes=5)
# Where nothing can be used and nobody knows until when, it is looked at again after this time.
LOOK_AGAIN = timedelta(minutes=5)

# What an attempt must have been to count as a try.
_TRIES = frozenset({AttemptState.TEMPORARY, AttemptState.UNKNOWN})

# What does not keep a delivery from the one configuration that it may use: that is how people see whether it works.
_TRIED_ANYWAY = frozenset({"fault", "open", "half_open"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a delivery goes now. Without a configuration: when to look again, or never, and why.

    `others`: the keys of the other configurations that could be used now. `why`: where there was a choice, the code and
    the details of the sentence that says why it fell on this one.
    """

    config: Usable | None
    others: tuple[str, ...] = ()
    reason: str = ""
    again_at: datetime | None = None
    error: str = ""
    why: tuple[str, Mapping[str, str]] | None = None


@dataclass(slots=True)
class Choices:
    """What there is for the deliveries of one channel, at one instant."""

    configs: Sequence[Usable]
    broken: Sequence[Broken]
    healths: Mapping[str, ConfigHealth]
    now: datetime
    # By cost instead of by priority.
    cheapest: bool = False
    # Configurations of which one delivery is trying already whether they work again.
    probing: set[str] = field(default_factory=set)

    def choose(self, message: RenderedMessage, tried: Sequence[DeliveryAttempt], pinned: str | None) -> Choice:
        """The configuration to use next.

        Args:
            tried: the delivery's attempts since it was queued.
            pinned: the key of the only configuration that may be used.
        """
        fitting = [config for config in self.configs if self._fits(config, message, pinned)]
        if not fitting:
            return self._none(pinned)
        states = {config.key: self._state(config.key, pinned=pinned is not None) for config in fitting}
        open_now = [config for config in fitting if states[config.key].usable]
        if not open_now:
            return self._later(fitting, states)
        order = ranked(fitting, cheapest=self.cheapest)
        # The first of those that were tried least.
        chosen = min(
            (config for config in order if states[config.key].usable),
            key=lambda config: tries(tried, config.key) // TRIES_EACH,
        )
        if states[chosen.key].probe:
            self.probing.add(chosen.key)
        others = tuple(config.key for config in open_now if config is not chosen)
        return Choice(chosen, others, why=self._why(chosen, order, states))

    def _why(
        self, chosen: Usable, order: Sequence[Usable], states: Mapping[str, State]
    ) -> tuple[str, Mapping[str, str]] | None:
        if len(order) == 1:
            return None
        before = order[: order.index(chosen)]
        left = ", ".join(
            f"{config.title} ({'tried' if states[config.key].usable else states[config.key].reason})"
            for config in before
        )
        by_cost = self.cheapest and chosen.cost is not None
        code = f"routed_{'cheapest' if by_cost else 'first'}{'_left' if before else ''}"
        return code, {"config": chosen.title, "cost": str(chosen.cost or ""), "before": left[:500]}

    @staticmethod
    def _fits(config: Usable, message: RenderedMessage, pinned: str | None) -> bool:
        if pinned is not None:
            return config.key == pinned
        reader = {"address": message.address, "category": message.category, "locale": message.locale}
        return config.active and config.conditions.hold(**reader)

    def _state(self, key: str, *, pinned: bool) -> State:
        state = state_of(self.healths.get(key), self.now)
        if pinned and state.reason in _TRIED_ANYWAY:
            return OK
        if key in self.probing:
            return State(usable=False, reason="half_open", until=self.now + timedelta(seconds=10))
        return state

    def _none(self, pinned: str | None) -> Choice:
        if self.broken:
            first = self.broken[0]
            error = f"The configuration {first.title!r} cannot be used: {first.reason}"
            return Choice(None, reason="config_broken", again_at=self.now + LOOK_AGAIN, error=error)
        if any(config.active for config in self.configs) and pinned is None:
            return Choice(None, reason="no_config_fits", error="No configuration's conditions fit this message.")
        return Choice(None, reason="no_config", error="Nothing is configured for this channel.")

    def _later(self, fitting: Sequence[Usable], states: Mapping[str, State]) -> Choice:
        known = [until for state in states.values() if (until := state.until) is not None]
        names = ", ".join(f"{config.title} ({states[config.key].reason})" for config in fitting)
        faults = [row.fault for config in fitting if (row := self.healths.get(config.key)) is not None and row.fault]
        error = f"Nothing can be used now: {names}. {' '.join(faults)}".strip()[:2000]
        return Choice(None, reason="all_resting", again_at=min(known, default=self.now + LOOK_AGAIN), error=error)


def ranked(configs: Sequence[Usable], *, cheapest: bool) -> list[Usable]:
    """In the order in which they are to be used: as they are, or those first that are known to be cheap."""
    if not cheapest:
        return list(configs)
    # Amounts of several currencies cannot be compared; the one that comes first counts, others are as good as unknown.
    currency = next((config.cost.currency for config in configs if config.cost is not None), None)

    def cost(config: Usable) -> tuple[bool, Decimal]:
        known = config.cost if config.cost is not None and config.cost.currency == currency else None
        return known is None, known.amount if known is not None else Decimal()

    return sorted(configs, key=cost)


async def prefers_cheapest(channel: str) -> bool:
    """Whether the organisation wants the cheapest provider on a channel, and not the first."""
    return channel in (await tenant_settings(MessagingTenantSettings)).cheapest_channels


def tries(tried: Sequence[DeliveryAttempt], key: str | None = None) -> int:
    """How many attempts count as tries, of one configuration or of all."""
    return sum(attempt.state in _TRIES and key in {None, attempt.config} for attempt in tried)


def pause_after(count: int) -> timedelta | None:
    """How long to wait after so many tries; None: it has been tried often enough."""
    return PAUSES[count - 1] if count <= len(PAUSES) else None


__all__ = ["PAUSES", "RECIPIENT_PAUSE", "Choice", "Choices", "pause_after", "prefers_cheapest", "ranked", "tries"]
