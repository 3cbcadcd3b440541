"""What follows the end of a fire: the next one in the queue, the next of a fixed delay, or the schedule's own end.

The counters of a schedule change with every fire. They are written past the ORM, so that its version, which clients
send as If-Match, counts what people change and nothing else.
"""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select

from riveredge_scheduling.advance import advance
from riveredge_scheduling.models import HOLDING, OPEN, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.plan import Plan, utc
from riveredge_scheduling.planning import catch_up_of, fire_rows, hand_over, plan_of
from riveredge_sdk import session
from riveredge_sdk.timers import HORIZON

_NOTED = "scheduling_noted"
_RUNS = "more_runs"
_OF_TASK = "of the schedule"


def note(task: ScheduledTask, **values: Any) -> None:
    """Set counters of a schedule; written by `write_notes`."""
    for name, value in values.items():
        set_committed_value(task, name, value)
    _noted(task).update(values)


def note_run(task: ScheduledTask) -> None:
    """Count a run. Written as a difference, which many schedules have in common."""
    set_committed_value(task, "runs", task.runs + 1)
    noted = _noted(task)
    noted[_RUNS] = noted.get(_RUNS, 0) + 1


def _noted(task: ScheduledTask) -> dict[str, Any]:
    noted: dict[UUID, dict[str, Any]] = session().info.setdefault(_NOTED, {})
    return noted.setdefault(task.id, {})


async def write_notes() -> None:
    """Write what was noted, schedules with the same values together."""
    noted: dict[UUID, dict[str, Any]] = session().info.pop(_NOTED, {})
    groups: dict[tuple[tuple[str, Any], ...], list[UUID]] = {}
    for task_id, values in noted.items():
        groups.setdefault(tuple(sorted(values.items())), []).append(task_id)
    for group, ids in groups.items():
        values = dict(group)
        if more := values.pop(_RUNS, 0):
            values["runs"] = col(ScheduledTask.runs) + more
        change = update(ScheduledTask).where(col(ScheduledTask.id).in_(ids))
        kept = change.values(**values, updated_at=col(ScheduledTask.updated_at))
        await session().exec(kept.execution_options(synchronize_session=False))


async def write_fires(fires: Iterable[Fire], now: datetime) -> None:
    """Write what has changed of fires, those with the same changes together: the ORM writes one after the other.

    They leave the session. What cannot be compared (results, details) stays, and is left to the ORM.
    """
    groups: dict[tuple[tuple[str, Any], ...], list[Fire]] = {}
    for fire in fires:
        changed = {name: getattr(fire, name) for name, old in inspect(fire).committed_state.items()}
        if changed.get("params") is not None:
            # The parameters that its schedule has at this moment.
            changed["params"] = _OF_TASK
        if all(isinstance(value, Hashable) for value in changed.values()):
            groups.setdefault(tuple(sorted(changed.items())), []).append(fire)
    for group, same in groups.items():
        values = dict(group)
        if values.get("params") == _OF_TASK:
            params = select(ScheduledTask.params).where(col(ScheduledTask.id) == col(Fire.task_id))
            values["params"] = params.scalar_subquery()
        change = update(Fire).where(col(Fire.id).in_([fire.id for fire in same]))
        counted = change.values(**values, version=col(Fire.version) + 1, updated_at=now)
        with session().no_autoflush:
            await session().exec(counted.execution_options(synchronize_session=False))
        for fire in same:
            # Else the flush would look through all of them for changes.
            session().expunge(fire)


def publish_again(fire: Fire) -> None:
    """Have a planned fire executed at its (new) time."""
    hand_over([vars(fire)])


async def ended(task: ScheduledTask, fires: Sequence[Fire], now: datetime) -> None:
    """A fire has ended, whether it ran or not.

    Args:
        fires: those of the schedule that had not ended before, this one among them in its new state.
    """
    still_open = [each for each in fires if each.state in OPEN]
    _release(still_open, now)
    if task.status != TaskStatus.ACTIVE:
        return
    if task.max_runs is not None and task.runs >= task.max_runs:
        if not any(each.state in HOLDING for each in still_open):
            note(task, status=TaskStatus.COMPLETED, next_nominal_at=None, next_fire_at=None)
        return
    if task.trigger_kind == "fixed_delay":
        if not any(each.kind == "scheduled" for each in still_open) and task.next_nominal_at is None:
            _plan_delayed(task, now)
    elif task.next_nominal_at is None and not still_open:
        note(task, status=TaskStatus.COMPLETED)


def _release(still_open: Iterable[Fire], now: datetime) -> None:
    """Let the fire start that has waited longest, if nothing holds the turn."""
    fires = list(still_open)
    waiting = [each for each in fires if each.state == FireState.BUFFERED]
    if not waiting or any(each.state in HOLDING for each in fires):
        return
    first = min(waiting, key=lambda each: each.nominal_at)
    first.state, first.fire_at, first.sent_at = FireState.PLANNED, now, now
    first.reason = first.details = first.blocked_by = None
    publish_again(first)


def _plan_delayed(task: ScheduledTask, now: datetime) -> None:
    nominal = utc(now) + timedelta(seconds=task.trigger["every_s"])
    if task.ends_at is not None and nominal > task.ends_at:
        note(task, status=TaskStatus.COMPLETED)
        return
    make_fires(task, plan_of(task, None), nominal, nominal, now)


def make_fires(task: ScheduledTask, plan: Plan, nominal: datetime, look_at: datetime, now: datetime) -> list[Fire]:
    """Make the fires that are due before the next tick, as its claim would, and have them executed."""
    done = advance(plan, nominal, look_at, catch_up_of(task), now, now + HORIZON)
    note(task, next_nominal_at=done.next_nominal_at, next_fire_at=done.next_fire_at)
    if done.last_nominal_at is not None:
        note(task, last_nominal_at=done.last_nominal_at)
    rows = [Fire(**values) for values in fire_rows(task, done.fires, now)]
    session().add_all(rows)
    hand_over([vars(row) for row in rows])
    return rows
