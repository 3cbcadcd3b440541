"""Whether a fire that is due starts: decided under the lock of its schedule, with the policies of this moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_scheduling import alarms
from riveredge_scheduling.catalog import actions
from riveredge_scheduling.models import HOLDING, IS_OPEN, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.planning import find_workdays, plan_of
from riveredge_scheduling.quotas import RUNNING
from riveredge_scheduling.turns import ended, make_fires, note_run, publish_again
from riveredge_sdk import session, timers
from riveredge_sdk.quotas import quota_limit

# Between the end of an attempt and the end of its lease, so that the attempt's own process is the first to note it.
LEASE_SLACK = timedelta(seconds=30)
_DEFER = timedelta(seconds=10)
# A little early is on time: the engine's clock need not be the database's.
EARLY = timedelta(seconds=5)
# Those of the plan, which nobody has asked for by hand.
PLANNED_KINDS = ("scheduled", "catch_up")
_STARTABLE = frozenset({FireState.PLANNED, FireState.RETRYING})


@dataclass(slots=True)
class Verdict:
    """What is decided about a fire. `state` None: it starts."""

    state: FireState | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    blocked_by: UUID | None = None
    defer: bool = False


@dataclass(slots=True)
class Situation:
    """What else is going on with the schedule: its fires that have not ended."""

    open: list[Fire]

    def holding(self, but: Fire) -> list[Fire]:
        return [each for each in self.open if each.state in HOLDING and each.id != but.id]

    def buffered(self, but: Fire) -> list[Fire]:
        return [each for each in self.open if each.state == FireState.BUFFERED and each.id != but.id]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A fire that starts, its schedule, and the schedule's fires that have not ended."""

    fire: Fire
    task: ScheduledTask | None
    around: list[Fire]


async def admit(fire_ids: Sequence[UUID], run_id: str) -> list[Admitted]:
    """Decide about fires that are due; those that start, or that this very run has started already.

    Must run in a unit of work of the fires' tenant. Repeating it changes nothing.
    """
    named = (await session().exec(select(Fire.task_id).where(col(Fire.id).in_(fire_ids)))).all()
    tasks = {
        task.id: task
        for task in (
            await session().exec(
                select(ScheduledTask)
                .where(col(ScheduledTask.id).in_(set(named)))
                .order_by(col(ScheduledTask.id))
                .with_for_update()
            )
        ).all()
    }
    # Only now that the schedules are locked: before, another run may have decided.
    query = select(Fire).where(col(Fire.task_id).in_(set(named)), IS_OPEN).with_for_update()
    rows = (await session().exec(query.execution_options(populate_existing=True))).all()
    now = await timers.now()
    situations: dict[UUID, Situation] = {}
    for row in rows:
        situations.setdefault(row.task_id, Situation([])).open.append(row)
    wanted = set(fire_ids)
    due = sorted((row for row in rows if row.id in wanted), key=lambda row: (row.nominal_at, row.id))
    started: list[Admitted] = []
    with session().no_autoflush:
        for fire in due:
            task, around = tasks.get(fire.task_id), situations[fire.task_id]
            if fire.state == FireState.RUNNING:
                begun = fire.run_id == run_id
            else:
                is_due = fire.state in _STARTABLE and fire.fire_at <= now + EARLY
                begun = is_due and await _decide(fire, task, around, now, run_id)
            if begun:
                started.append(Admitted(fire, task, around.open))
    return started


async def _decide(fire: Fire, task: ScheduledTask | None, around: Situation, now: datetime, run_id: str) -> bool:
    verdict = await _verdict(fire, task, around, now)
    if verdict.defer:
        fire.fire_at = fire.sent_at = now + _DEFER
        fire.reason, fire.details = verdict.reason, verdict.details
        publish_again(fire)
        return False
    if verdict.state is not None:
        fire.state, fire.reason, fire.details = verdict.state, verdict.reason, verdict.details
        fire.blocked_by = verdict.blocked_by
        if verdict.state != FireState.BUFFERED:
            fire.finished_at = now
            if task is not None:
                await ended(task, around.open, now)
        return False
    assert task is not None  # noqa: S101
    if fire.state == FireState.PLANNED:
        note_run(task)
        await alarms.late(task, fire, int((now - fire.fire_at).total_seconds()))
    if fire.params is None:
        fire.params = dict(task.params)
    action = actions().get(fire.action)
    seconds = task.timeout_s or (action.timeout_s if action is not None else 60)
    fire.state, fire.reason, fire.details, fire.blocked_by = FireState.RUNNING, None, None, None
    fire.run_id, fire.attempt, fire.started_at = run_id, fire.attempt + 1, fire.started_at or now
    fire.lease_until = now + timedelta(seconds=seconds) + LEASE_SLACK
    return True


async def _verdict(fire: Fire, task: ScheduledTask | None, around: Situation, now: datetime) -> Verdict:
    if task is None:
        # Its attempts so far have failed, and nobody is left on whose behalf there could be another.
        return Verdict(FireState.FAILED if fire.state == FireState.RETRYING else FireState.SUPERSEDED, "deleted")
    if fire.state == FireState.RETRYING:
        # It holds its turn already: what was begun is brought to its end.
        return Verdict()
    unwanted = _unwanted(fire, task) or await _lateness(fire, task, around, now)
    if unwanted is not None:
        return unwanted
    crowd = await _crowd(fire)
    if crowd is not None:
        return Verdict(reason="quota", details={"count": crowd}, defer=True)
    return _overlap(fire, task, around, now)


def _unwanted(fire: Fire, task: ScheduledTask) -> Verdict | None:
    """What people have said since it was planned."""
    if fire.revision != task.revision:
        return Verdict(FireState.SUPERSEDED, "edited")
    if fire.kind in PLANNED_KINDS:
        if task.status == TaskStatus.PAUSED:
            return Verdict(FireState.SKIPPED_PAUSED, "paused")
        if task.max_runs is not None and task.runs >= task.max_runs:
            return Verdict(FireState.SKIPPED_ENDED, "max_runs", {"count": task.runs})
    return None


async def _lateness(fire: Fire, task: ScheduledTask, around: Situation, now: datetime) -> Verdict | None:
    """A scheduled fire that was held up on the way here counts as missed once its grace is over."""
    seconds = int((now - fire.fire_at).total_seconds())
    if fire.kind != "scheduled" or seconds <= task.misfire_grace_s or task.catch_up == "fire_all":
        return None
    if task.catch_up == "skip":
        return Verdict(FireState.SKIPPED_MISFIRE, "late", {"seconds": seconds, "grace": task.misfire_grace_s})
    later = _later(fire, around, now)
    if not later and task.next_nominal_at is not None and task.next_fire_at is not None and task.next_fire_at <= now:
        # What was missed after it has no fire yet, because the tick was held up as well. One run stands for all.
        plan = plan_of(task, await find_workdays(task.calendar_id))
        around.open += make_fires(task, plan, task.next_nominal_at, task.next_fire_at, now)
        later = _later(fire, around, now)
    if later:
        min(later, key=lambda each: each.nominal_at).missed_count += fire.missed_count + 1
    elif not await _has_later_run(fire):
        return None
    return Verdict(FireState.SKIPPED_MISFIRE, "later_runs")


def _later(fire: Fire, around: Situation, now: datetime) -> list[Fire]:
    """The fires that are about to start as well, of later instants of the same plan."""
    return [
        each
        for each in around.open
        if each.kind in PLANNED_KINDS
        and each.state == FireState.PLANNED
        and each.revision == fire.revision
        and fire.nominal_at < each.nominal_at
        and each.fire_at <= now
    ]


async def _has_later_run(fire: Fire) -> bool:
    """Whether a later instant of the plan has run already."""
    query = select(Fire.id).where(
        col(Fire.task_id) == fire.task_id,
        col(Fire.kind).in_(PLANNED_KINDS),
        col(Fire.nominal_at) > fire.nominal_at,
        col(Fire.started_at).is_not(None),
    )
    return (await session().exec(query.limit(1))).first() is not None


async def _crowd(fire: Fire) -> int | None:
    """How many actions the organisation has running, if those are as many as it may have. Transactional ones are over
    at once.
    """
    action = actions().get(fire.action)
    if action is None or action.transactional:
        return None
    limit = await quota_limit(RUNNING)
    if limit is None:
        return None
    running = select(Fire.id).where(col(Fire.state) == FireState.RUNNING).limit(limit)
    return limit if len((await session().exec(running)).all()) >= limit else None


def _overlap(fire: Fire, task: ScheduledTask, around: Situation, now: datetime) -> Verdict:
    policy = fire.overlap or task.overlap
    holding = around.holding(fire)
    if policy == "allow" or not holding:
        return Verdict()
    blocker = min(holding, key=lambda each: each.nominal_at)
    details: dict[str, Any] = {"nominal": blocker.nominal_at.isoformat()}
    if policy == "cancel_previous":
        for each in holding:
            each.state, each.reason = FireState.CANCELLED, "replaced"
            each.details = {"nominal": fire.nominal_at.isoformat()}
            each.finished_at, each.blocked_by = now, fire.id
        return Verdict()
    waiting = len(around.buffered(fire))
    # A backfill or a catch-up, which name a policy of their own, are bounded already.
    room = {"skip": 0, "buffer_one": 1, "buffer_all": task.buffer_max if fire.overlap is None else waiting + 1}
    if waiting < room[policy]:
        return Verdict(FireState.BUFFERED, "waits_for", details, blocker.id)
    reason = {"skip": "busy", "buffer_one": "waiting_already", "buffer_all": "buffer_full"}[policy]
    return Verdict(FireState.SKIPPED_OVERLAP, reason, details | {"count": waiting}, blocker.id)
