"""`/api/v1/scheduling`: fires, actions, previews of what is not saved, export and import."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_scheduling import cancelling, service, statistics, transfer
from riveredge_scheduling.catalog import actions
from riveredge_scheduling.checks import check_plan
from riveredge_scheduling.permissions import TASK_READ, TASK_RUN, TASK_WRITE
from riveredge_scheduling.preview_schemas import PreviewIn, PreviewOut
from riveredge_scheduling.previews import plan_from, preview_of
from riveredge_scheduling.quotas import least_interval
from riveredge_scheduling.repository import Fires, Tasks
from riveredge_scheduling.schemas import ActionOut, FireOut, Overview, TaskOut
from riveredge_scheduling.transfer_schemas import Document, ImportOut
from riveredge_scheduling.views import add_next
from riveredge_sdk import ListQuery, Page, Router, current_principal, utcnow

fires_router = Router(prefix="/fires", tag="Scheduling: fires", audit="scheduling.fire")
other_router = Router(tag="Scheduling: tasks")
fires = Fires()


@fires_router.get(require=TASK_READ, summary="List fires of all schedules, newest first")
async def list_fires(query: Annotated[ListQuery, Query()]) -> Page[FireOut]:
    return await fires.page(query, into=FireOut)


@fires_router.get("/{fire_id}", require=TASK_READ, summary="One fire")
async def get_fire(fire_id: UUID) -> FireOut:
    return FireOut.model_validate(await fires.get(fire_id))


@fires_router.post("/{fire_id}/cancel", require=TASK_RUN, status=200, summary="Cancel a fire")
async def cancel_fire(fire_id: UUID) -> FireOut:
    """One that waits does not start; one that runs is broken off within seconds."""
    return FireOut.model_validate(await cancelling.cancel(fire_id))


@other_router.post(
    "/backfills/{batch}/cancel",
    require=TASK_RUN,
    audit="scheduling.backfill",
    status=200,
    summary="Cancel what is left of a backfill",
)
async def cancel_backfill(batch: UUID) -> dict[str, int]:
    """What runs goes on; cancel it by itself."""
    return {"cancelled": await cancelling.cancel_batch(str(batch))}


@other_router.get("/system", require=TASK_READ, summary="List schedules that plugins bring")
async def list_system_schedules(query: Annotated[ListQuery, Query()]) -> Page[TaskOut]:
    """They can be paused, resumed and run like others, under /tasks, and not be changed."""
    page = await Tasks().page(query, service.is_system(), into=TaskOut)
    await add_next(page.items)
    return page


@other_router.get("/statistics", require=TASK_READ, summary="How all schedules are doing")
async def get_statistics(
    days: Annotated[int, Query(ge=1, le=366, description="Of the last so many days.")] = 30,
) -> Overview:
    return await statistics.overview(utcnow() - timedelta(days=days))


@other_router.get("/actions", require=TASK_READ, summary="What schedules can run")
async def list_actions() -> list[ActionOut]:
    principal = current_principal()
    return [
        ActionOut(
            id=action.id,
            title=action.title,
            description=action.description,
            permission=action.permission,
            allowed=action.permission is None or principal.may(action.permission),
            idempotency=action.idempotency,
            retries=action.retries,
            timeout_s=action.timeout_s,
            params_schema=action.params.model_json_schema(),
        )
        for _, action in sorted(actions().items())
    ]


@other_router.post(
    "/preview", require=TASK_READ, audit=False, status=200, summary="The next fires of a plan that need not be saved"
)
async def preview_plan(body: PreviewIn) -> PreviewOut:
    now = utcnow()
    plan = await plan_from(body, now)
    check_plan(plan, now, await least_interval())
    return await preview_of(plan, body.after or now, body.count, None)


@other_router.get("/export", require=TASK_READ, summary="All schedules and calendars, as one document")
async def export_tasks() -> Document:
    return await transfer.export()


@other_router.post(
    "/import",
    require=TASK_WRITE,
    # It tells the log itself, what has changed.
    audit=False,
    status=200,
    summary="Create and change schedules from a document",
    max_body_size=20_000_000,
)
async def import_tasks(
    body: Document, dry_run: Annotated[bool, Query(description="Only say what would happen.")] = False
) -> ImportOut:
    """By key: what is there is changed, what is not is created, nothing is deleted. All of it, or nothing."""
    return await transfer.load(body, dry_run=dry_run)


__all__ = ["fires_router", "other_router"]
