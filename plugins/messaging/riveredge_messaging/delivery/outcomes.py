"""Notes what came of attempts: ends deliveries, lets others follow through the next configuration or later."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, update
from sqlmodel import col, select

from riveredge_messaging.configs.choosing import RECIPIENT_PAUSE, TRIES_EACH, pause_after, tries
from riveredge_messaging.configs.results import WORKED, Result, note_health
from riveredge_messaging.delivery.ending import MAX_ERROR, end, stop, tell_sent
from riveredge_messaging.delivery.handing_over import Outcome
from riveredge_messaging.delivery.models import AttemptState, DeliveryAttempt
from riveredge_messaging.delivery.queueing import queue_later
from riveredge_messaging.feedback import suppression
from riveredge_messaging.models import Delivery, DeliveryStatus, Verdict
from riveredge_messaging.timeline.decisions import note_on
from riveredge_sdk import session, unit_of_work, utcnow

_ENDS = {AttemptState.ACCEPTED: DeliveryStatus.SENT, AttemptState.DELIVERED: DeliveryStatus.DELIVERED}
# What says nothing about the message: the configuration could not be used.
_NO_TRIES = frozenset({AttemptState.NOT_BEGUN, AttemptState.MISCONFIGURED, AttemptState.QUOTA})


@unit_of_work()
async def note_outcomes(channel: str, outcomes: Sequence[Outcome]) -> list[UUID]:
    """Write down what came of a wave; in one transaction.

    Returns:
        The deliveries that go on at once: through another configuration, or because they were not begun.
    """
    worked = [outcome for outcome in outcomes if outcome.state in WORKED]
    others = [outcome for outcome in outcomes if outcome.state not in WORKED]
    await _end_worked(channel, worked)
    usable = await note_health(
        [
            Result(outcome.attempt.config, outcome.state, outcome.error, outcome.retry_after, outcome.of_recipient)
            for outcome in outcomes
            if outcome.attempt.config is not None and outcome.state != AttemptState.NOT_BEGUN
        ]
    )
    return await _go_on(channel, others, usable) if others else []


async def _end_worked(channel: str, outcomes: Sequence[Outcome]) -> None:
    """The ordinary case: few statements, however many they are."""
    now = utcnow()
    for state, status in _ENDS.items():
        ids = [outcome.attempt.delivery_id for outcome in outcomes if outcome.state == state]
        if not ids:
            continue
        references = {o.attempt.delivery_id: o.reference for o in outcomes if o.state == state}
        # A call-back may have been faster, and have said more.
        delivery = (
            update(Delivery)
            .where(col(Delivery.id).in_(ids), col(Delivery.status) == DeliveryStatus.SENDING)
            .values(status=status, ended_at=now, updated_at=now, version=col(Delivery.version) + 1)
            .values(reference=case(references, value=col(Delivery.id)))
        )
        attempt = (
            update(DeliveryAttempt)
            .where(col(DeliveryAttempt.delivery_id).in_(ids), col(DeliveryAttempt.state) == AttemptState.SENDING)
            .values(state=state, ended_at=now, updated_at=now, version=col(DeliveryAttempt.version) + 1)
            .values(reference=case(references, value=col(DeliveryAttempt.delivery_id)))
        )
        await session().exec(delivery.execution_options(synchronize_session=False))
        await session().exec(attempt.execution_options(synchronize_session=False))
        tell_sent(channel, ids)


async def _go_on(channel: str, outcomes: Sequence[Outcome], usable: Mapping[str, bool]) -> list[UUID]:
    """What did not work: end it, or let it follow."""
    by_delivery = {outcome.attempt.delivery_id: outcome for outcome in outcomes}
    query = select(Delivery).where(col(Delivery.id).in_(list(by_delivery))).order_by(col(Delivery.id))
    rows = (await session().exec(query.with_for_update())).all()
    attempts = await _attempts(list(by_delivery))
    at_once: list[UUID] = []
    later: defaultdict[timedelta, list[UUID]] = defaultdict(list)
    now = utcnow()
    for row in rows:
        outcome, tried = by_delivery[row.id], attempts[row.id]
        tried[-1].state, tried[-1].ended_at, tried[-1].error = outcome.state, now, outcome.error or None
        if row.status != DeliveryStatus.SENDING:
            continue
        since = [each for each in tried if row.queued_at is None or each.created_at >= row.queued_at]
        config = outcome.attempt.config
        pause = await _next(row, outcome, since, usable=config is None or usable.get(config.key, True))
        if pause is None:
            continue
        row.status, row.error = DeliveryStatus.QUEUED, outcome.error[:MAX_ERROR] or row.error
        if pause:
            row.next_at = now + pause
            later[pause].append(row.id)
        else:
            at_once.append(row.id)
    for pause, ids in later.items():
        await queue_later(channel, ids, now + pause)
    return at_once


async def _attempts(ids: Sequence[UUID]) -> dict[UUID, list[DeliveryAttempt]]:
    query = select(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id).in_(ids))
    found: defaultdict[UUID, list[DeliveryAttempt]] = defaultdict(list)
    for row in (await session().exec(query.order_by(col(DeliveryAttempt.number)))).all():
        found[row.delivery_id].append(row)
    return found


async def _next(row: Delivery, outcome: Outcome, tried: Sequence[DeliveryAttempt], *, usable: bool) -> timedelta | None:
    """When the delivery follows: after a pause, at once (no pause), or never, because it has ended."""
    if await _ended(row, outcome):
        return None
    if outcome.state in _NO_TRIES:
        return _over_to_another(row, outcome)
    count = tries(tried)
    pause = pause_after(count)
    if pause is None:
        end(row, DeliveryStatus.FAILED, reason="gave_up", error=f"Given up after {count} tries: {outcome.error}")
        return None
    if outcome.of_recipient:
        pause = max(pause, RECIPIENT_PAUSE)
    elif outcome.state == AttemptState.TEMPORARY and _another(outcome, tried, usable=usable):
        _note(row, outcome, "failed_over")
        return timedelta()
    if over := outcome.attempt.ready.over(utcnow() + pause, waits=True):
        stop(row, over, tried)
        return None
    _note(row, outcome, "unknown_again" if outcome.state == AttemptState.UNKNOWN else "tried_again")
    return pause


def _over_to_another(row: Delivery, outcome: Outcome) -> timedelta:
    if outcome.state != AttemptState.NOT_BEGUN:
        _note(row, outcome, "failed_over")
    if outcome.attempt.config is None and outcome.retry_after is not None:
        return timedelta(seconds=max(outcome.retry_after, 1))
    return timedelta()


async def _ended(row: Delivery, outcome: Outcome) -> bool:
    """Whether nothing else can be done for the delivery; it is ended then."""
    config = outcome.attempt.config
    if outcome.state == AttemptState.REFUSED:
        if outcome.bad_address:
            await _forget(row, outcome)
        end(row, DeliveryStatus.FAILED, reason="refused", error=outcome.error)
        return True
    if outcome.state == AttemptState.MISCONFIGURED and (config is None or row.pinned_config is not None):
        end(row, DeliveryStatus.FAILED, reason="config_fault", error=outcome.error)
        return True
    if outcome.state == AttemptState.UNKNOWN and outcome.attempt.ready.held:
        if config is None or not config.provider.supports_idempotency:
            end(row, DeliveryStatus.UNKNOWN, reason="unknown_held", error=outcome.error)
            return True
        # The provider tells a repetition itself, and nobody else can.
        row.pinned_config = config.key
    return False


def _another(outcome: Outcome, tried: Sequence[DeliveryAttempt], *, usable: bool) -> bool:
    """Whether another configuration takes over at once: this one has had its tries, or its circuit has opened."""
    config, others = outcome.attempt.config, outcome.attempt.others
    if config is None:
        return False
    untried = any(tries(tried, key) == 0 for key in others)
    return untried and (not usable or tries(tried, config.key) >= TRIES_EACH)


async def _forget(row: Delivery, outcome: Outcome) -> None:
    message, channel = outcome.attempt.ready.message, outcome.attempt.ready.channel
    await suppression.add(
        channel.id, message.address, suppression.HARD_BOUNCE, detail=outcome.error, delivery_id=row.id
    )
    await channel.forget_address(row.recipient_id, message.address)


def _note(row: Delivery, outcome: Outcome, reason: str) -> None:
    config = outcome.attempt.config
    note_on(
        row,
        rule="provider",
        verdict=Verdict.HELD,
        reason=reason,
        detail={"config": config.title if config is not None else "", "error": outcome.error[:500]},
    )
