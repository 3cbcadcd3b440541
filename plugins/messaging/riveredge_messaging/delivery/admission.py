"""Admits deliveries to be handed over: chooses their configurations and commits an attempt of each, before any I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, insert, update
from sqlmodel import col, select

from riveredge_messaging.configs.catalog import Usable, configs_of
from riveredge_messaging.configs.choosing import Choice, Choices, prefers_cheapest
from riveredge_messaging.configs.health import begin_probe, healths, locked
from riveredge_messaging.delivery import rates
from riveredge_messaging.delivery.ending import Stop, end, stop
from riveredge_messaging.delivery.models import AttemptState, DeliveryAttempt
from riveredge_messaging.delivery.preparing import OPEN, Ready
from riveredge_messaging.delivery.queueing import queue_later
from riveredge_messaging.models import Delivery, DeliveryStatus, Verdict
from riveredge_messaging.settings import MessagingSettings
from riveredge_messaging.timeline.decisions import note_on
from riveredge_sdk import session, unit_of_work, utcnow, uuid7
from riveredge_sdk.features.messaging import DeliveringChannel

# Over this time a delivery that nothing could take is given up.
GIVE_UP = timedelta(hours=24)
_TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A committed attempt. `config` is None for a channel that delivers by itself.

    `others`: the keys of the other configurations that could have been used.
    """

    delivery_id: UUID
    number: int
    ready: Ready
    config: Usable | None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A delivery that can go now, as far as health and conditions are concerned."""

    row: Delivery
    ready: Ready
    choice: Choice

    @property
    def config(self) -> Usable | None:
        return self.choice.config


@dataclass(slots=True)
class _Later:
    """Deliveries that have to wait, by when and whether they have their place in the rates."""

    at: dict[tuple[datetime, bool], list[UUID]] = field(default_factory=dict)

    def add(self, delivery: Delivery, due_at: datetime, *, reserved: bool = False) -> None:
        """Let it wait."""
        delivery.next_at = due_at
        self.at.setdefault((due_at, reserved), []).append(delivery.id)

    async def set(self, channel: str) -> None:
        for (due_at, reserved), ids in self.at.items():
            await queue_later(channel, ids, due_at, reserved=reserved)


@unit_of_work()
async def admit(
    channel: str, prepared: Mapping[UUID, Ready | Stop], *, reserved: bool, lease: timedelta
) -> list[Attempt]:
    """Commit an attempt for each delivery that can go now; end, or put off, the others.

    Args:
        reserved: the deliveries have their place in the rates already.
        lease: how long a process may take; after it, an attempt that has not ended is one of a dead process.
    """
    now = utcnow()
    rows = await _locked(list(prepared))
    attempts = await _attempts([row.id for row in rows if row.attempts])
    later = _Later()
    going: list[tuple[Delivery, Ready]] = []
    for row in rows:
        tried, made = attempts.get(row.id, []), prepared[row.id]
        if isinstance(made, Ready):
            made = made.over(now) or made
        if row.status == DeliveryStatus.SENDING:
            _look_at_leased(row, made, tried, now, later)
        if row.status != DeliveryStatus.QUEUED:
            continue
        if row.next_at is not None and row.next_at > now:
            # The engine's clock is ahead of this machine's, or somebody asked for it anew: not now, but surely then.
            later.add(row, row.next_at, reserved=reserved)
            continue
        if isinstance(made, Stop):
            stop(row, made, tried)
        elif made.waits is not None and made.waits.due_at is not None:
            later.add(row, made.waits.due_at)
            _note(row, made.waits.rule, Verdict.HELD, made.waits.reason, made.waits.detail)
        else:
            going.append((row, made))
    chosen = await _choose(channel, going, attempts, now, later)
    admitted = await _within_rates(chosen, attempts, now, later, reserved=reserved)
    await later.set(channel)
    return await _begin(admitted, now, lease)


async def _locked(ids: Sequence[UUID]) -> Sequence[Delivery]:
    query = select(Delivery).where(col(Delivery.id).in_(ids), col(Delivery.status).in_(OPEN))
    return (await session().exec(query.order_by(col(Delivery.id)).with_for_update())).all()


async def _attempts(ids: Sequence[UUID]) -> dict[UUID, list[DeliveryAttempt]]:
    if not ids:
        return {}
    query = select(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id).in_(ids))
    found: dict[UUID, list[DeliveryAttempt]] = {}
    for row in (await session().exec(query.order_by(col(DeliveryAttempt.number)))).all():
        found.setdefault(row.delivery_id, []).append(row)
    return found


def _look_at_leased(
    row: Delivery, made: Ready | Stop, tried: Sequence[DeliveryAttempt], now: datetime, later: _Later
) -> None:
    """Somebody is sending it, or has died while doing so: then nobody knows whether it was sent."""
    last = tried[-1] if tried else None
    if last is None or last.state != AttemptState.SENDING:
        row.status = DeliveryStatus.QUEUED
        return
    if last.lease_until > now:
        later.add(row, last.lease_until)
        return
    error = "The process ended while the message was handed over; it may have been sent."
    last.state, last.ended_at, last.error = AttemptState.UNKNOWN, now, error
    if isinstance(made, Stop) and made.status == DeliveryStatus.EXPIRED:
        stop(row, made, tried)
        return
    if isinstance(made, Stop) or made.held:
        end(row, DeliveryStatus.UNKNOWN, reason="unknown_held", error=error)
        return
    row.status, row.next_at, row.error = DeliveryStatus.QUEUED, None, error
    _note(row, "unknown", Verdict.INFO, "unknown_again", {"error": error})


async def _choose(
    channel: str,
    going: Sequence[tuple[Delivery, Ready]],
    attempts: Mapping[UUID, Sequence[DeliveryAttempt]],
    now: datetime,
    later: _Later,
) -> list[_Chosen]:
    if not going or isinstance(going[0][1].channel, DeliveringChannel):
        return [_Chosen(row, ready, Choice(None)) for row, ready in going]
    configs, broken = await configs_of(channel)
    # Where nothing has a cost, nobody has to be asked.
    cheapest = any(config.cost for config in configs) and await prefers_cheapest(channel)
    choices = Choices(configs, broken, await healths([config.key for config in configs]), now, cheapest=cheapest)
    chosen: list[_Chosen] = []
    for row, ready in going:
        tried = [a for a in attempts.get(row.id, ()) if row.queued_at is None or a.created_at >= row.queued_at]
        choice = choices.choose(ready.message, tried, row.pinned_config)
        if choice.config is not None:
            chosen.append(_Chosen(row, ready, choice))
        elif choice.again_at is not None and (over := ready.over(choice.again_at, waits=True)):
            stop(row, over, tried)
        elif choice.again_at is not None and now - (row.queued_at or now) < GIVE_UP:
            later.add(row, choice.again_at)
            row.error = choice.error
            _note_wait(row, choice)
        else:
            end(row, DeliveryStatus.FAILED, reason=choice.reason, error=choice.error)
    for key in sorted(choices.probing):
        begin_probe(await locked(key), now)
    return chosen


async def _within_rates(
    chosen: Sequence[_Chosen],
    attempts: Mapping[UUID, Sequence[DeliveryAttempt]],
    now: datetime,
    later: _Later,
    *,
    reserved: bool,
) -> list[_Chosen]:
    """Those that may go now by the rates of the tenant and of their configurations."""
    if reserved:
        return list(chosen)
    tenant = MessagingSettings().tenant_per_minute
    by_config: dict[str, list[_Chosen]] = {}
    for each in chosen:
        by_config.setdefault(each.config.key if each.config is not None else "", []).append(each)
    admitted: list[_Chosen] = []
    for key, same in by_config.items():
        config = same[0].config
        limits = [(_TENANT, tenant)] if tenant is not None and config is not None else []
        if config is not None and config.per_minute is not None:
            limits.append((f"config:{key}", config.per_minute))
        slots = await rates.reserve(limits, len(same), now) if limits else [now] * len(same)
        for each, slot in zip(same, slots, strict=True):
            if slot <= now:
                admitted.append(each)
            elif over := each.ready.over(slot, waits=True):
                stop(each.row, over, attempts.get(each.row.id, ()))
            else:
                # To the whole second, so that many share an event.
                later.add(each.row, slot.replace(microsecond=0) + timedelta(seconds=1), reserved=True)
    return admitted


async def _begin(admitted: Sequence[_Chosen], now: datetime, lease: timedelta) -> list[Attempt]:
    """Write the attempts: two statements, however many they are."""
    if not admitted:
        return []
    made = [Attempt(c.row.id, c.row.attempts + 1, c.ready, c.config, c.choice.others) for c in admitted]
    for each in admitted:
        if each.choice.why is not None:
            reason, detail = each.choice.why
            _note(each.row, "routing", Verdict.INFO, reason, detail)
    await session().flush()
    rows = [
        {
            "id": uuid7(),
            "created_at": now,
            "updated_at": now,
            "version": 1,
            "delivery_id": each.delivery_id,
            "number": each.number,
            "config": each.config.key if each.config is not None else "",
            "provider": each.config.provider.id if each.config is not None else each.ready.channel.id,
            "state": AttemptState.SENDING,
            "lease_until": now + lease,
        }
        for each in made
    ]
    await session().exec(insert(DeliveryAttempt), params=rows)
    addresses = {each.delivery_id: each.ready.message.address for each in made}
    change = (
        update(Delivery)
        .where(col(Delivery.id).in_(list(addresses)))
        .values(
            status=DeliveryStatus.SENDING,
            attempts=col(Delivery.attempts) + 1,
            next_at=None,
            error=None,
            address=case(addresses, value=col(Delivery.id)),
            updated_at=now,
            version=col(Delivery.version) + 1,
        )
        .execution_options(synchronize_session=False)
    )
    await session().exec(change)
    return made


def _note_wait(row: Delivery, choice: Choice) -> None:
    detail = {"error": choice.error, "until": choice.again_at.isoformat() if choice.again_at else None}
    _note(row, "provider", Verdict.HELD, choice.reason, detail)


def _note(row: Delivery, rule: str, verdict: Verdict, reason: str, detail: Mapping[str, object]) -> None:
    note_on(
        row,
        rule=rule,
        verdict=verdict,
        reason=reason,
        detail=detail,
    )
