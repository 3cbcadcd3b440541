"""Schedules as clients see them: with the next fire, whether it is planned already or not."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import and_, col, func, select

from riveredge_scheduling.admission import PLANNED_KINDS
from riveredge_scheduling.models import IS_OPEN, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.schemas import TaskOut
from riveredge_sdk import session


async def shown(task: ScheduledTask) -> TaskOut:
    """One schedule."""
    out = TaskOut.model_validate(task)
    await add_next([out])
    return out


async def add_next(outs: Sequence[TaskOut]) -> None:
    """Say when each of them fires next. The rows themselves know from when on nothing is planned."""
    active = [out.id for out in outs if out.status == TaskStatus.ACTIVE]
    planned = await _planned(active) if active else {}
    for out in outs:
        later = None
        if out.next_nominal_at is not None and out.next_fire_at is not None:
            # The row may look at a day off before.
            later = max(out.next_nominal_at, out.next_fire_at)
        out.next_fire_at = min((each for each in (planned.get(out.id), later) if each is not None), default=None)


async def _planned(task_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    query = (
        select(col(Fire.task_id), func.min(Fire.fire_at))
        .join(
            ScheduledTask,
            and_(col(ScheduledTask.id) == col(Fire.task_id), col(ScheduledTask.revision) == col(Fire.revision)),
        )
        .where(
            col(Fire.task_id).in_(task_ids),
            IS_OPEN,
            col(Fire.state) == FireState.PLANNED,
            col(Fire.kind).in_(PLANNED_KINDS),
        )
        .group_by(col(Fire.task_id))
    )
    return {task_id: fire_at for task_id, fire_at in await session().exec(query)}  # noqa: C416  (rows are no pairs to mypy)
