"""Runs actions, and notes how that ended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_scheduling import alarms
from riveredge_scheduling.catalog import actions, read_params
from riveredge_scheduling.events import FIRE_FAILED, TASK_PAUSED, FireEnded, TaskRef
from riveredge_scheduling.metrics import DURATION, FIRES, LATENESS
from riveredge_scheduling.models import IS_OPEN, SYSTEM, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.texts import sentence
from riveredge_scheduling.turns import ended, note, publish_again
from riveredge_sdk import (
    Principal,
    current_context,
    current_tenant,
    get_service,
    publish,
    session,
    timers,
    unit_of_work,
)
from riveredge_sdk.context import use_context
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.features.scheduling import ActionError, FireContext, FireKind, TaskAction
from riveredge_sdk.problems import Invalid, Problem

log = structlog.get_logger(__name__)

MAX_RETRY_DELAY = 3600
MAX_RESULT = 20_000
_MAX_ERROR = 2000
# How often a long run looks whether somebody has cancelled it.
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended. `error` None: it succeeded. `reason`: a code of `texts`, if the platform knows better, with
    its details.
    """

    result: Any = None
    error: str | None = None
    retry: bool = True
    retry_after: float | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None
    gone: bool = False


class UnfitError(Exception):
    """The action cannot be run at all; the owner's fault or the installation's, so trying again does not help."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(sentence(reason, "en", details))
        self.reason = reason
        self.details = details

    @property
    def outcome(self) -> Outcome:
        """How such an attempt ends."""
        return Outcome(error=str(self), retry=False, reason=self.reason, details=self.details)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that one attempt needs, so that no row is held while it runs."""

    ctx: FireContext
    action: TaskAction[Any]
    params: BaseModel
    owner: Principal
    timeout_s: float


async def prepare(fire: Fire, task: ScheduledTask | None) -> Prepared:
    """Look up action, parameters and owner, in the running unit of work.

    Raises:
        UnfitError: it cannot be run.
    """
    action = actions().get(fire.action)
    if action is None:
        raise UnfitError("no_action", action=fire.action)
    if task is None:
        raise UnfitError("deleted")
    owner = await find_owner(task.key, task.id, task.title, task.owner_id)
    if owner is None:
        raise UnfitError("no_owner")
    if action.permission is not None and not owner.may(action.permission):
        raise UnfitError("no_permission", permission=action.permission)
    ctx = FireContext(
        fire_id=fire.id,
        task_id=fire.task_id,
        task_key=fire.task_key,
        kind=cast("FireKind", fire.kind),
        nominal_at=fire.nominal_at,
        zone=task.zone,
        attempt=fire.attempt,
        missed_count=fire.missed_count,
    )
    try:
        params = read_params(action, fire.params or {})
    except Invalid as mistakes:
        raise UnfitError("bad_params", mistakes=_listed(mistakes)) from None
    return Prepared(ctx, action, params, owner, task.timeout_s or action.timeout_s)


def _listed(mistakes: Invalid) -> str:
    return "; ".join(f"{each.field}: {each.message}" for each in mistakes.errors)[:500]


async def find_owner(key: str, task_id: UUID, title: str, owner_id: UUID | None) -> Principal | None:
    """On whose behalf a schedule runs. A plugin's own schedule runs on nobody's, with no permissions."""
    if key.startswith(SYSTEM):
        return Principal(id=task_id, kind="system", name=title, tenant_id=current_tenant())
    return await get_service(PEOPLE).principal(owner_id) if owner_id is not None else None


async def attempt(prepared: Prepared, *, timed: bool = True) -> Outcome:
    """Run the action as its owner. Raises nothing but cancellation.

    Args:
        timed: end it when its time is over. Not inside a transaction, whose connection that would leave half-way.
    """
    context = replace(current_context(), principal=prepared.owner)
    try:
        with use_context(context):
            async with asyncio.timeout(prepared.timeout_s if timed else None):
                return Outcome(result=bounded(await prepared.action.run(prepared.ctx, prepared.params)))
    except TimeoutError:
        return Outcome(error=f"It did not end within {prepared.timeout_s:g} s.")
    except ActionError as failed:
        return Outcome(error=str(failed), retry=failed.retry, retry_after=failed.retry_after)
    except Problem as problem:
        return Outcome(error=str(problem), retry=problem.status >= 500)
    except Exception as error:  # noqa: BLE001  (an action is a plugin's code)
        log.warning("action_failed", action=prepared.action.id, error=type(error).__name__)
        return Outcome(error=f"{type(error).__name__}: {error}")


def bounded(result: Any) -> Any:
    """What an action gave, as it is kept with its fire."""
    return result if len(repr(result)) <= MAX_RESULT else {"truncated": repr(result)[:1000]}


async def attempt_watched(prepared: Prepared) -> Outcome:
    """`attempt`, ended early if its fire is cancelled meanwhile."""
    running = asyncio.ensure_future(attempt(prepared))
    try:
        while True:
            done, _ = await asyncio.wait({running}, timeout=_LOOK_SECONDS)
            if done:
                return running.result()
            if await _is_over(prepared.ctx.fire_id, prepared.ctx.attempt):
                return Outcome(error="Cancelled.", gone=True)
    finally:
        if not running.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _is_over(fire_id: UUID, number: int) -> bool:
    async with unit_of_work(read_only=True) as reading:
        fire = (await reading.exec(select(Fire).where(col(Fire.id) == fire_id))).one_or_none()
    return fire is None or fire.state != FireState.RUNNING or fire.attempt != number


async def finish(
    fire: Fire, task: ScheduledTask | None, outcome: Outcome, around: Sequence[Fire], *, now: datetime | None = None
) -> None:
    """Note how the attempt of a running fire ended, under the lock of its schedule.

    Args:
        around: the schedule's fires that have not ended, this one among them.
        now: the same for fires that end together, so that they can be written together; None: the present.
    """
    now = now or await timers.now()
    error = outcome.error and outcome.error[:_MAX_ERROR]
    fire.lease_until = None
    if error is not None and outcome.retry and task is not None and fire.attempt <= _retries(fire, task):
        delay = outcome.retry_after or min(task.retry_delay_s * 2 ** (fire.attempt - 1), MAX_RETRY_DELAY)
        fire.state, fire.error, fire.reason = FireState.RETRYING, error, outcome.reason
        fire.fire_at = fire.sent_at = now + timedelta(seconds=min(delay, MAX_RETRY_DELAY))
        publish_again(fire)
        return
    fire.state = FireState.FAILED if error is not None else FireState.SUCCEEDED
    fire.error, fire.reason, fire.details = error, outcome.reason, outcome.details
    fire.result, fire.finished_at = outcome.result, now
    FIRES.labels(fire.state).inc()
    if fire.started_at is not None:
        LATENESS.observe(max((fire.started_at - fire.nominal_at).total_seconds(), 0))
        DURATION.observe((now - fire.started_at).total_seconds())
    if task is not None:
        await (_succeeded(task, now) if error is None else _failed(task, fire, error, outcome.reason, now))
        await ended(task, around, now)


def _retries(fire: Fire, task: ScheduledTask) -> int:
    if task.retries is not None:
        return task.retries
    action = actions().get(fire.action)
    return action.retries if action is not None else 0


async def _succeeded(task: ScheduledTask, now: datetime) -> None:
    note(task, failures=0, last_success_at=now)
    if task.expect_success_within_s is not None:
        await alarms.expect_success(task)


async def _failed(task: ScheduledTask, fire: Fire, error: str, reason: str | None, now: datetime) -> None:
    count = task.failures + 1
    note(task, failures=count, last_failure_at=now)
    payload = FireEnded(
        fire_id=fire.id, task_id=task.id, key=task.key, nominal_at=fire.nominal_at, error=error[:_MAX_ERROR]
    )
    publish(FIRE_FAILED, payload)
    await alarms.failed(task, fire, count, error)
    cause: Literal["owner", "failures"] | None = None
    if reason in {"no_owner", "no_permission"}:
        cause = "owner"
    elif task.pause_after_failures is not None and count >= task.pause_after_failures:
        cause = "failures"
    if cause is not None and task.status == TaskStatus.ACTIVE:
        await _pause(task, cause, error, now)


async def _pause(task: ScheduledTask, cause: str, error: str, now: datetime) -> None:
    note(
        task,
        status=TaskStatus.PAUSED,
        paused_at=now,
        paused_by=None,
        pause_reason=cause,
        pause_note=error[:500],
        next_nominal_at=None,
        next_fire_at=None,
    )
    publish(TASK_PAUSED, TaskRef(task_id=task.id, key=task.key))
    await alarms.paused(task, error)
    await alarms.expect_success(task)


async def fires_around(task_id: UUID) -> Sequence[Fire]:
    """The schedule's fires that have not ended, locked. Lock the schedule first."""
    query = select(Fire).where(col(Fire.task_id) == task_id, IS_OPEN).with_for_update()
    return (await session().exec(query)).all()
