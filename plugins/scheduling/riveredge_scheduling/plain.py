"""The plain case of due fires, which nearly all of them are: in time, in force, alone, and a success.

It is decided for many fires at once from a few columns, and noted with two statements. Whatever is not plain is left to
`admission` and `execution`, which would have come to the same end for these, too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlmodel import col

from riveredge_scheduling.admission import EARLY
from riveredge_scheduling.catalog import actions, read_params
from riveredge_scheduling.execution import bounded, find_owner
from riveredge_scheduling.metrics import DURATION, FIRES, LATENESS
from riveredge_scheduling.models import IS_OPEN, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_sdk import Principal, current_context, session, timers, unit_of_work
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.features.scheduling import FireContext, TaskAction
from riveredge_sdk.models import JsonType

_IDS: Any = bindparam("ids", expanding=True)
# Schedules before fires, in the order of their ids, as everybody locks them.
_LOCKED: Any = (
    select(
        col(Fire.id),
        col(Fire.task_id),
        col(Fire.action),
        col(Fire.kind),
        col(Fire.revision),
        col(Fire.nominal_at),
        col(Fire.fire_at),
        col(Fire.missed_count),
        col(ScheduledTask.tenant_id),
        col(ScheduledTask.key),
        col(ScheduledTask.title),
        col(ScheduledTask.owner_id),
        col(ScheduledTask.params),
        col(ScheduledTask.zone),
        col(ScheduledTask.revision).label("in_force"),
        col(ScheduledTask.misfire_grace_s),
        col(ScheduledTask.alarm_late_s),
    )
    .select_from(ScheduledTask)
    .join(Fire, col(Fire.task_id) == col(ScheduledTask.id))
    .where(
        col(Fire.id).in_(_IDS),
        col(Fire.state) == FireState.PLANNED,
        col(Fire.kind).in_(("scheduled", "catch_up")),
        col(Fire.attempt) == 0,
        col(Fire.params).is_(None),
        col(ScheduledTask.status) == TaskStatus.ACTIVE,
        # With these, the end of a fire has consequences.
        col(ScheduledTask.next_nominal_at).is_not(None),
        col(ScheduledTask.max_runs).is_(None),
        col(ScheduledTask.expect_success_within_s).is_(None),
        col(ScheduledTask.trigger_kind) != "fixed_delay",
    )
    .order_by(col(ScheduledTask.id))
    .with_for_update()
)
_AROUND: Any = select(col(Fire.task_id)).where(
    col(Fire.task_id).in_(_IDS), IS_OPEN, col(Fire.state) != FireState.PLANNED
)
_OF_TASK = select(col(ScheduledTask.params)).where(col(ScheduledTask.id) == col(Fire.task_id)).scalar_subquery()
_FIRES_ENDED = (
    update(Fire)
    .where(col(Fire.id).in_(_IDS))
    .values(
        state=FireState.SUCCEEDED,
        reason=None,
        details=None,
        run_id=bindparam("in_run"),
        attempt=1,
        params=_OF_TASK,
        result=bindparam("gave", type_=JsonType),
        started_at=bindparam("began_at"),
        finished_at=bindparam("ended_at"),
        updated_at=bindparam("ended_at"),
        version=col(Fire.version) + 1,
    )
    .execution_options(synchronize_session=False)
)
_TASKS_RAN = (
    update(ScheduledTask)
    .where(col(ScheduledTask.id).in_(_IDS))
    .values(
        runs=col(ScheduledTask.runs) + 1,
        failures=0,
        last_success_at=bindparam("ended_at"),
        # What people change counts as a change of the schedule, and nothing else.
        updated_at=col(ScheduledTask.updated_at),
    )
    .execution_options(synchronize_session=False)
)


class SpoiledError(Exception):
    """An action has failed, which may have spoiled the transaction for the others."""


@unit_of_work()
async def run_plain(fire_ids: Sequence[UUID], run_id: str) -> list[UUID]:
    """Run the plain ones among fires of one tenant; the others' ids.

    Raises:
        SpoiledError: one of them failed, and nothing has happened.
    """
    rows = (await session().exec(_LOCKED, params={"ids": few_lengths(fire_ids)})).all()
    began = await timers.now()
    rows = [row for row in rows if _is_plain(row, began)]
    if rows:
        tasks = [row.task_id for row in rows]
        busy = set((await session().exec(_AROUND, params={"ids": few_lengths(tasks)})).scalars())
        # Rows are in the order of their schedules.
        busy.update(task for task, following in pairwise(tasks) if task == following)
        results = await _run([row for row in rows if row.task_id not in busy])
        await _note(results, run_id, began)
        ran = {row.id for row, _ in results}
        return [fire_id for fire_id in fire_ids if fire_id not in ran]
    return list(fire_ids)


def _is_plain(row: Row[Any], now: datetime) -> bool:
    late = (now - row.fire_at).total_seconds()
    return bool(
        row.revision == row.in_force
        and row.fire_at <= now + EARLY
        and (late <= row.misfire_grace_s or row.kind != "scheduled")
        and (row.alarm_late_s is None or late <= row.alarm_late_s)
    )


async def _run(rows: Iterable[Row[Any]]) -> list[tuple[Row[Any], Any]]:
    """Each with what its action gave. Those that cannot be run are left out: why, is found out the long way."""
    known, contexts = actions(), _Contexts()
    results: list[tuple[Row[Any], Any]] = []
    for row in rows:
        action = known.get(row.action)
        context = await contexts.of(row, action)
        if action is None or context is None:
            continue
        fire = FireContext(
            fire_id=row.id,
            task_id=row.task_id,
            task_key=row.key,
            kind=row.kind,
            nominal_at=row.nominal_at,
            zone=row.zone,
            missed_count=row.missed_count,
        )
        try:
            with use_context(context):
                results.append((row, bounded(await action.run(fire, read_params(action, row.params)))))
        except Exception as error:
            raise SpoiledError from error
    return results


class _Contexts:
    """The contexts of owners: few people own many schedules."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID | None, UUID | None], tuple[Context, Principal] | None] = {}

    async def of(self, row: Row[Any], action: TaskAction[Any] | None) -> Context | None:
        """None: there is no owner any more who may have this done."""
        key = (row.owner_id, row.task_id if row.owner_id is None else None)
        if key not in self._known:
            owner = await find_owner(row.key, row.task_id, row.title, row.owner_id)
            self._known[key] = (replace(current_context(), principal=owner), owner) if owner is not None else None
        found = self._known[key]
        if found is None or action is None or not action.transactional:
            return None
        context, owner = found
        return context if action.permission is None or owner.may(action.permission) else None


async def _note(results: Sequence[tuple[Row[Any], Any]], run_id: str, began: datetime) -> None:
    if not results:
        return
    ended = await timers.now()
    same: dict[str, tuple[Any, list[UUID]]] = {}
    for row, result in results:
        same.setdefault(json.dumps(result, sort_keys=True), (result, []))[1].append(row.id)
    for result, ids in same.values():
        values: Mapping[str, Any] = {"in_run": run_id, "gave": result, "began_at": began, "ended_at": ended}
        await session().exec(_FIRES_ENDED, params={"ids": few_lengths(ids), **values})
    tasks = few_lengths([row.task_id for row, _ in results])
    await session().exec(_TASKS_RAN, params={"ids": tasks, "ended_at": ended})
    FIRES.labels(FireState.SUCCEEDED).inc(len(results))
    seconds = (ended - began) / timedelta(seconds=1)
    for row, _ in results:
        LATENESS.observe(max((began - row.nominal_at).total_seconds(), 0))
        DURATION.observe(seconds)


def few_lengths(ids: Sequence[UUID]) -> list[UUID]:
    """The same ids, the last one repeated up to a power of two: each length is a statement of its own to prepare."""
    wanted = 1 << (len(ids) - 1).bit_length()
    return [*ids, *([ids[-1]] * (wanted - len(ids)))]
