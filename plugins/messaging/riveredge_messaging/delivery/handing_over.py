"""Hands messages over to providers: outside of any transaction, so many at a time, each within a time limit."""

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import structlog

from riveredge_messaging.configs.catalog import BUILT_IN
from riveredge_messaging.configs.health import FAILURES
from riveredge_messaging.configs.service import callback_url
from riveredge_messaging.delivery.admission import Attempt
from riveredge_messaging.delivery.attachments import Files, Reader
from riveredge_messaging.delivery.models import AttemptState
from riveredge_messaging.metrics import ATTEMPTS, HANDING_OVER
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk import current_tenant, utcnow
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DeliveringChannel,
    DeliveryResult,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)

log = structlog.get_logger(__name__)

# What a channel that delivers by itself does at a time.
PARALLEL = 10
NO_FILES = Files(())

# One limit for each configuration in a process, however many runs use it.
_gates: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.WeakValueDictionary[tuple[UUID, str], asyncio.Semaphore]
] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    attempt: Attempt
    state: AttemptState
    error: str = ""
    reference: str = ""
    retry_after: float | None = None
    of_recipient: bool = False
    bad_address: bool = False


@dataclass(slots=True)
class _Wave:
    """What goes out together. After so many failures of a configuration in it, the rest is not begun."""

    begin_by: float
    seconds: float
    failures: dict[str, int] = field(default_factory=dict)
    reader: Reader = field(default_factory=Reader)

    def hopeless(self, key: str) -> bool:
        return self.failures.get(key, 0) >= FAILURES


def lease() -> timedelta:
    """After this time no attempt of a wave is under way any more."""
    return timedelta(seconds=2 * MessagingSettings().send_seconds + 15)


async def hand_over(attempts: Sequence[Attempt]) -> list[Outcome]:
    """Hand all of them over; never raises for what a provider does."""
    seconds = MessagingSettings().send_seconds
    wave = _Wave(asyncio.get_running_loop().time() + seconds, seconds)
    return list(await asyncio.gather(*(_one(wave, attempt) for attempt in attempts)))


async def _one(wave: _Wave, attempt: Attempt) -> Outcome:
    key = attempt.config.key if attempt.config is not None else ""
    async with _gate(attempt):
        late = asyncio.get_running_loop().time() > wave.begin_by or attempt.ready.over(utcnow())
        if late or wave.hopeless(key):
            return Outcome(attempt, AttemptState.NOT_BEGUN)
        outcome = await _measured(wave, attempt)
    failed = outcome.state in {AttemptState.TEMPORARY, AttemptState.UNKNOWN} and not outcome.of_recipient
    if failed and attempt.config is not None:
        wave.failures[key] = wave.failures.get(key, 0) + 1
    elif outcome.state in {AttemptState.QUOTA, AttemptState.MISCONFIGURED}:
        wave.failures[key] = FAILURES
    return outcome


async def _measured(wave: _Wave, attempt: Attempt) -> Outcome:
    provider = attempt.config.provider.id if attempt.config is not None else attempt.ready.channel.id
    with HANDING_OVER.labels(provider).time():
        outcome = await _try(wave, attempt)
    ATTEMPTS.labels(provider, outcome.state).inc()
    return outcome


async def _try(wave: _Wave, attempt: Attempt) -> Outcome:  # noqa: PLR0911  (one for each way it can go)
    limit = asyncio.timeout(wave.seconds)
    try:
        # Before the time for sending begins: whatever ends here, nothing was sent.
        files = await wave.reader.read(attempt.ready.message_id) if attempt.ready.has_files else NO_FILES
        async with limit:
            result = await _send(attempt, files)
    except PermanentFailure as failure:
        return Outcome(attempt, AttemptState.REFUSED, str(failure), bad_address=failure.bad_address)
    except ConfigurationFailure as failure:
        return Outcome(attempt, AttemptState.MISCONFIGURED, str(failure))
    except TemporaryFailure as failure:
        if failure.retry_after is not None and not failure.of_recipient:
            return Outcome(attempt, AttemptState.QUOTA, str(failure), retry_after=failure.retry_after)
        return Outcome(attempt, AttemptState.TEMPORARY, str(failure), of_recipient=failure.of_recipient)
    except UnknownOutcome as failure:
        return Outcome(attempt, AttemptState.UNKNOWN, str(failure))
    except Exception as error:
        if limit.expired():
            return Outcome(attempt, AttemptState.UNKNOWN, f"There was no answer within {wave.seconds:g} s.")
        log.exception("provider_failed", provider=attempt.config.provider.id if attempt.config else "")
        return Outcome(attempt, AttemptState.TEMPORARY, f"{type(error).__name__}: {error}"[:500])
    state = AttemptState.DELIVERED if result.outcome == "delivered" else AttemptState.ACCEPTED
    return Outcome(attempt, state, reference=result.reference[:500])


async def _send(attempt: Attempt, files: Files) -> DeliveryResult:
    message, channel, config = attempt.ready.message, attempt.ready.channel, attempt.config
    if files.files:
        message = replace(message, files=files.files)
    if isinstance(channel, DeliveringChannel):
        return await channel.deliver(message)
    assert config is not None  # noqa: S101  (admission chose it)
    if config.provider.receives and config.key not in BUILT_IN:
        message = replace(message, callback_url=callback_url(config.key))
    return await config.provider.send(config.settings, message)


def _gate(attempt: Attempt) -> asyncio.Semaphore:
    gates = _gates.setdefault(asyncio.get_running_loop(), weakref.WeakValueDictionary())
    config = attempt.config
    key = (current_tenant(), config.key if config is not None else attempt.ready.channel.id)
    gate = gates.get(key)
    if gate is None:
        size = config.provider.parallel(config.settings) if config is not None else PARALLEL
        gate = gates[key] = asyncio.Semaphore(max(size, 1))
    return gate
