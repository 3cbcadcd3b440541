"""Writes the fires of schedules and hands them to those who execute them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_scheduling.advance import Advance, CatchUp, NewFire, advance
from riveredge_scheduling.catalog import actions
from riveredge_scheduling.events import FIRES_DUE, FiresDue
from riveredge_scheduling.models import Calendar, Fire, FireState, ScheduledTask
from riveredge_scheduling.plan import Plan
from riveredge_scheduling.triggers import read_trigger
from riveredge_scheduling.workdays import Workdays, read_workdays
from riveredge_sdk import publish, session, timers, utcnow, uuid7
from riveredge_sdk.timers import HORIZON

SOURCE = "scheduling.tasks"
_TICK = timedelta(microseconds=1)


def workdays_of(calendar: Calendar) -> Workdays:
    """The calendar, as plans use it."""
    return read_workdays(calendar.weekdays, calendar.days)


async def find_workdays(calendar_id: UUID | None) -> Workdays | None:
    """The calendar of this id, of the current tenant."""
    if calendar_id is None:
        return None
    # A schedule that is being changed is not to be written twice, which would count as two versions.
    with session().no_autoflush:
        found = (await session().exec(select(Calendar).where(col(Calendar.id) == calendar_id))).one_or_none()
    return workdays_of(found) if found is not None else None


def plan_of(task: Any, workdays: Workdays | None) -> Plan:
    """The plan of a schedule, given as its row or as something with the same attributes."""
    return Plan(
        trigger=read_trigger(task.trigger),
        zone=task.zone,
        starts_at=task.starts_at,
        ends_at=task.ends_at,
        workdays=workdays,
        on_holiday=task.on_holiday,
        jitter_s=task.jitter_s,
        seed=task.id,
    )


def catch_up_of(task: Any) -> CatchUp:
    """The schedule's policy for missed instants."""
    return CatchUp(
        policy=task.catch_up, max=task.catch_up_max, window_s=task.catch_up_window_s, grace_s=task.misfire_grace_s
    )


def arm(task: ScheduledTask, plan: Plan, after: datetime) -> None:
    """Set the schedule's next instant to the first later than `after`."""
    task.next_nominal_at = plan.after(after)
    task.next_fire_at = plan.look_at(after, task.next_nominal_at)


async def plan_soon(task: ScheduledTask, plan: Plan) -> None:
    """Make what is due before the next tick could look, so that nobody waits a minute for a new schedule."""
    now = utcnow()
    if task.next_nominal_at is None or task.next_fire_at is None or task.next_fire_at >= now + HORIZON:
        return
    done = advance(plan, task.next_nominal_at, task.next_fire_at, catch_up_of(task), now, now + HORIZON)
    task.next_nominal_at, task.next_fire_at = done.next_nominal_at, done.next_fire_at
    task.last_nominal_at = done.last_nominal_at or task.last_nominal_at
    rows = [Fire(**values) for values in fire_rows(task, done.fires, now)]
    session().add_all(rows)
    await session().flush()
    hand_over([vars(row) for row in rows])


def fire_rows(task: Any, fires: Iterable[NewFire], now: datetime) -> list[dict[str, Any]]:
    """The rows of new fires, as values of columns."""
    return [
        {
            "id": uuid7(),
            "tenant_id": task.tenant_id,
            "task_id": task.id,
            "task_key": task.key,
            "action": task.action,
            "revision": task.revision,
            "kind": fire.kind,
            "batch": "",
            "nominal_at": fire.nominal_at,
            "fire_at": fire.fire_at,
            "state": fire.state,
            "reason": fire.reason,
            "details": fire.details,
            "overlap": fire.overlap,
            "missed_count": fire.missed_count,
            "attempt": 0,
            "sent_at": now,
            "finished_at": None if fire.state in {FireState.PLANNED, FireState.BUFFERED} else now,
            "created_at": now,
            "updated_at": now,
            "version": 1,
        }
        for fire in fires
    ]


def hand_over(rows: Iterable[Mapping[str, Any]]) -> None:
    """Have planned fires executed at their time, when the unit of work commits.

    Those of transactional actions travel together; the others are runs of their own, which the tenant sees.
    """
    known = actions()
    light: list[timers.Fire] = []
    for row in rows:
        if row["state"] not in {FireState.PLANNED, FireState.RETRYING}:
            continue
        action = known.get(row["action"])
        if action is not None and action.transactional:
            light.append(timers.Fire(tenant_id=row["tenant_id"], id=row["id"], due_at=row["fire_at"]))
            continue
        due = FiresDue(fire_ids=[row["id"]], attempt=row["attempt"])
        publish(FIRES_DUE, due, due_at=row["fire_at"], tenant_id=row["tenant_id"])
    timers.publish_fires(SOURCE, light)


__all__ = ["Advance", "arm", "catch_up_of", "find_workdays", "fire_rows", "hand_over", "plan_of", "plan_soon"]
