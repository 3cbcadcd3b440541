"""The rules of schedules: make, change, pause, resume, run, skip. Everything happens in the running unit of work."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col

from riveredge_scheduling import alarms
from riveredge_scheduling.catalog import check_use
from riveredge_scheduling.checks import check_plan
from riveredge_scheduling.events import TASK_PAUSED, TaskRef
from riveredge_scheduling.models import SYSTEM, WAITING, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.plan import Plan, utc
from riveredge_scheduling.planning import arm, find_workdays, hand_over, plan_of, plan_soon
from riveredge_scheduling.quotas import TASKS, least_interval
from riveredge_scheduling.repository import Fires, Tasks
from riveredge_scheduling.schemas import TaskChange, TaskIn
from riveredge_scheduling.triggers import IntervalTrigger, write_trigger
from riveredge_scheduling.turns import note
from riveredge_scheduling.zones import check_zone, rules_version
from riveredge_sdk import (
    current_context,
    current_principal,
    current_tenant,
    get_service,
    publish,
    session,
    utcnow,
    uuid7,
)
from riveredge_sdk.audit import record
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, Invalid, invalid_field, taken_field
from riveredge_sdk.quotas import claim_quota

_TICK = timedelta(microseconds=1)
# What decides when a schedule fires; a change of anything else keeps its instants.
TIMING = frozenset({"trigger", "zone", "starts_at", "ends_at", "calendar_id", "on_holiday", "jitter_s"})
# What a fire that is planned already would do otherwise.
DECIDING = TIMING | {"action", "params"}


async def create(body: TaskIn) -> ScheduledTask:
    """Make a schedule; its owner is whoever asks.

    Raises:
        Conflict: there is one with this key.
        QuotaExceeded: the organisation has as many as it may.
        Forbidden: the action needs a permission that the owner does not hold.
        Invalid: naming the field at fault.
    """
    await claim_quota(TASKS)
    await _check_key(body.key)
    values = _columns({name: getattr(body, name) for name in type(body).model_fields if name != "paused"})
    values["zone"] = check_zone(body.zone or current_context().timezone)
    principal = current_principal()
    values["params"] = await check_use(body.action, body.params, principal)
    await _check_people(body.alarm_to)
    now = utcnow()
    task = ScheduledTask(**values, tenant_id=current_tenant(), owner_id=principal.id, rules=rules_version())
    _anchor(task, now)
    plan = await _checked_plan(task, now)
    if body.paused:
        _set_paused(task, now, "requested", "")
    else:
        await start(task, plan, now)
    return await Tasks().add(task)


async def change(task: ScheduledTask, body: TaskChange) -> ScheduledTask:
    """Change a schedule. Fires that were planned before do not run if the change decides about them.

    Raises:
        Conflict: another schedule has the key.
        Forbidden: the action needs a permission that the owner does not hold, or the parameters are another's.
        Invalid: naming the field at fault.
    """
    given = body.changes()
    if "calendar_id" in given and "on_holiday" not in given:
        given["on_holiday"] = _with_calendar(task.on_holiday, given["calendar_id"])
    values = _columns(given)
    if given.get("key", task.key) != task.key:
        await _check_key(given["key"])
    if "zone" in given:
        values["zone"] = check_zone(given["zone"])
    values |= await _checked_work(task, values, take_over=body.take_over)
    if "alarm_to" in given:
        await _check_people(given["alarm_to"])
    before = {name: getattr(task, name) for name in values}
    for name, value in values.items():
        setattr(task, name, value)
    changed = {name for name, value in before.items() if value != getattr(task, name)}
    now = utcnow()
    _anchor(task, now)
    if changed & TIMING:
        await _checked_plan(task, now)
    if changed & DECIDING:
        await _plan_anew(task, now, keep_due=not changed & TIMING)
    elif "max_runs" in changed and task.status == TaskStatus.COMPLETED:
        await _plan_anew(task, now, keep_due=True)
    if "expect_success_within_s" in changed:
        await alarms.expect_success(task)
    await session().flush()
    return task


async def pause(task: ScheduledTask, why: str = "", *, reason: str = "requested") -> None:
    """Let nothing fire any more until it is resumed; what runs goes on.

    Raises:
        Conflict: it is paused, or completed.
    """
    if task.status != TaskStatus.ACTIVE:
        raise Conflict(f"The schedule is {task.status}.")
    _set_paused(task, utcnow(), reason, why)
    publish(TASK_PAUSED, TaskRef(task_id=task.id, key=task.key))
    await session().flush()


async def resume(task: ScheduledTask, why: str = "") -> None:
    """Go on. What would have fired meanwhile is not made up for; a backfill can.

    Raises:
        Conflict: it is not paused.
        Forbidden: its owner is gone or may not have the action run any more.
    """
    if task.status != TaskStatus.PAUSED or task.paused_at is None:
        raise Conflict(f"The schedule is {task.status}; only paused ones can be resumed.")
    if not task.key.startswith(SYSTEM):
        owner = await get_service(PEOPLE).principal(task.owner_id) if task.owner_id is not None else None
        if owner is None:
            raise Conflict("Its owner is no active member any more. Change it with take_over to become its owner.")
        await check_use(task.action, task.params, owner)
    now = utcnow()
    plan = plan_of(task, await find_workdays(task.calendar_id))
    await _note_pause(task, plan, now)
    task.status, task.failures = TaskStatus.ACTIVE, 0
    task.paused_at = task.paused_by = task.pause_reason = task.pause_note = None
    task.resumed_at, task.resumed_by, task.resume_note = now, current_principal().id, why
    await start(task, plan, now)
    await session().flush()


async def run_now(task: ScheduledTask, params: Mapping[str, Any] | None = None) -> Fire:
    """Run it now, also while it is paused. The plan stays as it is.

    Raises:
        Forbidden, Invalid: as in `create`, if parameters are given.
    """
    principal = current_principal()
    kept = None
    if params is not None:
        if task.owner_id != principal.id:
            raise Forbidden("It runs with its owner's permissions, so only the owner gives it other parameters.")
        kept = await check_use(task.action, params, principal)
    now = utcnow()
    fire_id = uuid7()
    fire = Fire(
        id=fire_id,
        tenant_id=task.tenant_id,
        task_id=task.id,
        task_key=task.key,
        action=task.action,
        revision=task.revision,
        kind="manual",
        batch=str(fire_id),
        nominal_at=now,
        fire_at=now,
        sent_at=now,
        params=kept,
        requested_by=principal.id,
    )
    await Fires().add(fire)
    hand_over([vars(fire)])
    return fire


async def skip_next(task: ScheduledTask) -> Fire:
    """Let the next fire not run; its row says who asked.

    Raises:
        Conflict: nothing is about to fire.
    """
    now = utcnow()
    planned = await Fires().all(
        col(Fire.task_id) == task.id,
        col(Fire.state) == FireState.PLANNED,
        col(Fire.kind) == "scheduled",
        col(Fire.revision) == task.revision,
    )
    asked: dict[str, Any] = {"reason": "requested", "finished_at": now, "requested_by": current_principal().id}
    if planned:
        first = min(planned, key=lambda fire: fire.nominal_at)
        return await Fires().change(first, {"state": FireState.SKIPPED_REQUESTED, **asked})
    if task.status != TaskStatus.ACTIVE or task.next_nominal_at is None or task.next_fire_at is None:
        raise Conflict(f"Nothing is about to fire: the schedule is {task.status}.")
    fire = Fire(
        task_id=task.id,
        task_key=task.key,
        action=task.action,
        revision=task.revision,
        kind="scheduled",
        nominal_at=task.next_nominal_at,
        fire_at=max(task.next_nominal_at, task.next_fire_at),
        sent_at=now,
        state=FireState.SKIPPED_REQUESTED,
        **asked,
    )
    await Fires().add(fire)
    task.last_nominal_at = fire.nominal_at
    plan = plan_of(task, await find_workdays(task.calendar_id))
    look_at = task.next_fire_at
    arm(task, plan, fire.nominal_at)
    if look_at < fire.nominal_at and task.next_fire_at is not None:
        # There is a day off before, which is still to be noted.
        task.next_fire_at = look_at
    if plan.after(fire.nominal_at) is None:
        task.status = TaskStatus.COMPLETED
    await session().flush()
    return fire


async def replan(task: ScheduledTask) -> None:
    """Plan anew because what its plan rests on has changed: a calendar, or what its plugin says."""
    await _plan_anew(task, utcnow(), keep_due=False)
    task.rules = rules_version()
    await session().flush()


async def follow_rules(task: ScheduledTask) -> bool:
    """Plan anew if the rules of time zones in use move its next instant; whether they do. The audit log tells of it."""
    before, outdated, now = task.next_nominal_at, task.rules, utcnow()
    note(task, rules=rules_version())
    plan = plan_of(task, await find_workdays(task.calendar_id))
    # What is due at this moment is about to be claimed, and a fixed delay knows no zone.
    if before is None or before <= now or task.trigger_kind == "fixed_delay":
        return False
    if plan.after(max(now, task.last_nominal_at or now)) == before:
        return False
    await replan(task)
    after = task.next_nominal_at
    record(
        "scheduling.task.follow_rules",
        "scheduling.task",
        task.id,
        title=task.title,
        details={
            "zone": task.zone,
            "rules": {"before": outdated, "now": task.rules},
            "next_nominal_at": {"before": before.isoformat(), "now": after.isoformat() if after is not None else None},
        },
    )
    return True


async def _checked_work(task: ScheduledTask, values: Mapping[str, Any], *, take_over: bool) -> dict[str, Any]:
    """What is to run from now on, if that changes. Others than the owner would make it with the owner's rights."""
    principal = current_principal()
    changes = bool({"action", "params"} & values.keys())
    if changes and not take_over and task.owner_id != principal.id:
        raise Forbidden(
            "It runs with its owner's permissions, so only the owner decides what it does. Send take_over to become it."
        )
    if not changes and not take_over:
        return {}
    params = await check_use(values.get("action", task.action), values.get("params", task.params), principal)
    return {"params": params, "owner_id": principal.id}


def is_system() -> Any:
    """The condition that a schedule is one that a plugin brings."""
    return col(ScheduledTask.key).startswith(SYSTEM)


def refuse_system(task: ScheduledTask) -> None:
    """See that people may change the schedule.

    Raises:
        Conflict: a plugin brings it.
    """
    if task.key.startswith(SYSTEM):
        raise Conflict("A plugin brings this schedule: it can be paused, resumed and run, and nothing else.")


def same_columns(task: ScheduledTask, given: Mapping[str, Any]) -> set[str]:
    """Those of the fields that say what the schedule says already."""
    columns = _columns(given)
    return {name for name in given if getattr(task, name) == columns[name]}


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """A body's fields as the row's columns."""
    values = dict(given)
    if "trigger" in values:
        values["trigger_kind"] = values["trigger"].kind
        values["trigger"] = write_trigger(values["trigger"])
    if "alarm_to" in values:
        values["alarm_to"] = [str(each) for each in values["alarm_to"]]
    for name in ("starts_at", "ends_at"):
        if values.get(name) is not None:
            values[name] = utc(values[name])
    return values


def _anchor(task: ScheduledTask, now: datetime) -> None:
    """An interval counts from somewhere: its start, or when it was made."""
    if task.trigger_kind == "interval" and task.trigger.get("anchor") is None:
        trigger = IntervalTrigger(every_s=task.trigger["every_s"], anchor=task.starts_at or utc(now))
        task.trigger = write_trigger(trigger)


async def _checked_plan(task: ScheduledTask, now: datetime) -> Plan:
    workdays = await find_workdays(task.calendar_id)
    if task.calendar_id is not None and workdays is None:
        raise invalid_field("calendar_id", f"There is no calendar {task.calendar_id} here.", "unknown")
    plan = plan_of(task, workdays)
    check_plan(plan, now, await least_interval())
    return plan


def _with_calendar(on_holiday: str, calendar_id: UUID | None) -> str:
    """What is done on days off when a calendar comes or goes, and nothing is said about it."""
    if calendar_id is None:
        return "ignore"
    return "skip" if on_holiday == "ignore" else on_holiday


async def _check_key(key: str) -> None:
    if await Tasks().find(col(ScheduledTask.key) == key) is not None:
        raise taken_field("schedule", "key", key)


async def _check_people(named: list[UUID]) -> None:
    found = await get_service(PEOPLE).find(named)
    errors = [
        FieldError(f"alarm_to.{index}", f"{each} is no active member of this organisation.", "unknown")
        for index, each in enumerate(named)
        if each not in found or not found[each].active
    ]
    if errors:
        raise Invalid(f"{len(errors)} unknown member(s).", errors=errors)


async def start(task: ScheduledTask, plan: Plan, now: datetime) -> None:
    """Begin to fire, after what has been planned already."""
    if task.trigger_kind == "fixed_delay":
        first = utc(now)
        task.next_nominal_at = task.next_fire_at = max(first, task.starts_at or first)
    else:
        arm(task, plan, max(now, task.last_nominal_at or now))
    await plan_soon(task, plan)
    await alarms.expect_success(task)


async def _plan_anew(task: ScheduledTask, now: datetime, *, keep_due: bool) -> None:
    """Take back what is planned (it finds so when it starts), and plan from now on.

    Args:
        keep_due: what should have started already runs all the same, in its changed form.
    """
    due = (
        col(Fire.task_id) == task.id,
        col(Fire.revision) == task.revision,
        col(Fire.state).in_(WAITING),
        col(Fire.nominal_at) <= now,
    )
    task.revision += 1
    task.last_nominal_at = None
    if keep_due:
        # One UPDATE of the schedule for the whole change, so that its version counts once.
        with session().no_autoflush:
            await session().exec(update(Fire).where(*due).values(revision=task.revision, action=task.action))
    if task.status == TaskStatus.COMPLETED:
        task.status = TaskStatus.ACTIVE
    if task.status == TaskStatus.ACTIVE:
        await start(task, plan_of(task, await find_workdays(task.calendar_id)), now)
        if task.next_nominal_at is None and task.trigger_kind != "fixed_delay" and task.last_nominal_at is None:
            task.status = TaskStatus.COMPLETED


def _set_paused(task: ScheduledTask, now: datetime, reason: str, note: str) -> None:
    task.status, task.paused_at, task.pause_reason, task.pause_note = TaskStatus.PAUSED, now, reason, note
    principal = current_context().principal
    task.paused_by = principal.id if principal is not None else None
    task.next_nominal_at = task.next_fire_at = None


async def _note_pause(task: ScheduledTask, plan: Plan, now: datetime) -> None:
    """One row for all that would have fired during the pause."""
    assert task.paused_at is not None  # noqa: S101
    after = max(task.paused_at, task.last_nominal_at or task.paused_at)
    last = plan.latest(after, now)
    if last is None:
        return
    count = sum(1 for _ in plan.between(after, last, 1000))
    session().add(
        Fire(
            task_id=task.id,
            task_key=task.key,
            action=task.action,
            revision=task.revision,
            kind="scheduled",
            nominal_at=last,
            fire_at=last,
            sent_at=now,
            finished_at=now,
            state=FireState.SKIPPED_PAUSED,
            reason="paused_many",
            details={"count": count},
            missed_count=count - 1,
        )
    )
    task.last_nominal_at = last
