"""`/api/v1/scheduling/tasks`: schedules and what can be done to them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_scheduling import alarms, backfill, service, statistics
from riveredge_scheduling.models import Fire, TaskStatus
from riveredge_scheduling.permissions import TASK_READ, TASK_RUN, TASK_WRITE
from riveredge_scheduling.planning import find_workdays, plan_of
from riveredge_scheduling.preview_schemas import MAX_PREVIEW, PreviewOut
from riveredge_scheduling.previews import preview_of
from riveredge_scheduling.repository import Fires, Tasks
from riveredge_scheduling.schemas import (
    BackfillIn,
    BackfillOut,
    FireOut,
    NoteIn,
    RunIn,
    Statistics,
    TaskChange,
    TaskIn,
    TaskOut,
)
from riveredge_scheduling.views import add_next, shown
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, utcnow

router = Router(prefix="/tasks", tag="Scheduling: tasks", audit="scheduling.task")
tasks = Tasks()
fires = Fires()


@router.get(require=TASK_READ, summary="List schedules")
async def list_tasks(query: Annotated[ListQuery, Query()]) -> Page[TaskOut]:
    """Those of the organisation's own; see /system for those that plugins bring."""
    page = await tasks.page(query, ~service.is_system(), into=TaskOut)
    await add_next(page.items)
    return page


@router.get("/{task_id}", require=TASK_READ, summary="One schedule")
async def get_task(task_id: UUID) -> TaskOut:
    return await shown(await tasks.get(task_id))


@router.post(require=TASK_WRITE, summary="Create a schedule")
async def create_task(body: TaskIn) -> TaskOut:
    return await shown(await service.create(body))


@router.patch("/{task_id}", require=TASK_WRITE, summary="Change a schedule")
async def change_task(task_id: UUID, body: TaskChange, version: ExpectedVersion) -> TaskOut:
    """A fire that was planned before, and that the change decides about, does not run."""
    task = await tasks.get(task_id, version=version, lock=True)
    service.refuse_system(task)
    return await shown(await service.change(task, body))


@router.delete("/{task_id}", require=TASK_WRITE, summary="Delete a schedule")
async def delete_task(task_id: UUID, version: ExpectedVersion) -> None:
    """Its fires stay in the history; one that is running ends as it would have."""
    task = await tasks.get(task_id, version=version, lock=True)
    service.refuse_system(task)
    await tasks.delete(task)
    await alarms.forget(task_id)


@router.post("/{task_id}/pause", require=TASK_WRITE, status=200, summary="Pause a schedule")
async def pause_task(task_id: UUID, body: NoteIn | None = None) -> TaskOut:
    """Nothing fires until it is resumed. What would have fired is noted, and not made up for."""
    task = await tasks.get(task_id, lock=True)
    await service.pause(task, body.note if body is not None else "")
    return await shown(task)


@router.post("/{task_id}/resume", require=TASK_WRITE, status=200, summary="Resume a schedule")
async def resume_task(task_id: UUID, body: NoteIn | None = None) -> TaskOut:
    """It fires from now on. What would have fired meanwhile is noted in one row; a backfill makes up for it."""
    task = await tasks.get(task_id, lock=True)
    await service.resume(task, body.note if body is not None else "")
    return await shown(task)


@router.post("/{task_id}/run", require=TASK_RUN, audit="scheduling.fire", status=202, summary="Run a schedule now")
async def run_task(task_id: UUID, body: RunIn | None = None) -> FireOut:
    """The plan stays as it is. Other runs count as for any fire: see the schedule's overlap policy."""
    params = body.params if body is not None else None
    return FireOut.model_validate(await service.run_now(await tasks.get(task_id, lock=True), params))


@router.post(
    "/{task_id}/skip-next", require=TASK_RUN, audit="scheduling.fire", status=200, summary="Skip the next fire"
)
async def skip_next_fire(task_id: UUID) -> FireOut:
    return FireOut.model_validate(await service.skip_next(await tasks.get(task_id, lock=True)))


@router.post("/{task_id}/backfill", require=TASK_RUN, status=202, summary="Run what a range of the past would have")
async def backfill_task(task_id: UUID, body: BackfillIn) -> BackfillOut:
    return await backfill.start(await tasks.get(task_id, lock=True), body)


@router.post(
    "/{task_id}/backfill/preview", require=TASK_RUN, audit=False, status=200, summary="What a backfill would run"
)
async def preview_backfill(task_id: UUID, body: BackfillIn) -> BackfillOut:
    return await backfill.look(await tasks.get(task_id), body)


@router.get("/{task_id}/preview", require=TASK_READ, summary="The next fires of a schedule")
async def preview_task(
    task_id: UUID, count: Annotated[int, Query(ge=1, le=MAX_PREVIEW, description="So many fires.")] = 10
) -> PreviewOut:
    """As planned now; of a paused schedule, as if it were resumed."""
    task = await tasks.get(task_id)
    plan = plan_of(task, await find_workdays(task.calendar_id))
    return await preview_of(plan, utcnow(), count if task.status != TaskStatus.COMPLETED else 0, task)


@router.get("/{task_id}/fires", require=TASK_READ, summary="The history of a schedule, newest first")
async def list_task_fires(task_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[FireOut]:
    """One row a fire, with the reason where it did not run. Of a deleted schedule, too."""
    if await fires.find(col(Fire.task_id) == task_id) is None:
        await tasks.get(task_id)
    return await fires.page(query, col(Fire.task_id) == task_id, into=FireOut)


@router.get("/{task_id}/statistics", require=TASK_READ, summary="How a schedule's fires went")
async def get_task_statistics(
    task_id: UUID, days: Annotated[int, Query(ge=1, le=366, description="Of the last so many days.")] = 30
) -> Statistics:
    await tasks.get(task_id)
    return await statistics.measure(task_id, utcnow() - timedelta(days=days))
