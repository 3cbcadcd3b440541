"""The durable functions: execute fires, tell of missing successes, keep house."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_scheduling import alarms, service, system
from riveredge_scheduling.admission import admit
from riveredge_scheduling.events import FIRES_DUE, SUCCESS_MISSING, FiresDue, TaskRef
from riveredge_scheduling.execution import Outcome, Prepared, UnfitError, attempt_watched, finish, fires_around, prepare
from riveredge_scheduling.models import OPEN, Fire, FireState, ScheduledTask
from riveredge_scheduling.settings import SchedulingSettings
from riveredge_scheduling.turns import write_notes
from riveredge_scheduling.zones import rules_version
from riveredge_sdk import Cron, CronTick, FunctionContext, FunctionSpec, session, unit_of_work, utcnow
from riveredge_sdk.timers import NotServedError, serving

# Rows deleted in one transaction.
_BATCH = 5000


async def execute(ctx: FunctionContext, event: FiresDue) -> dict[str, str]:
    """Start fires, each in a step of its own, and note how they ended."""

    @unit_of_work()
    async def start() -> list[str]:
        started = await admit(event.fire_ids, ctx.run_id)
        await session().flush()
        await write_notes()
        return [str(each.fire.id) for each in started]

    outcomes: dict[str, str] = {}
    for fire_id in await ctx.step.run("admit", start):

        async def run(fire_id: str = fire_id) -> dict[str, Any]:
            return await _attempt(UUID(fire_id))

        outcome = await ctx.step.run(f"run-{fire_id}", run)

        async def end(fire_id: str = fire_id, outcome: dict[str, Any] = outcome) -> str:
            return await _finish(UUID(fire_id), outcome)

        outcomes[fire_id] = await ctx.step.run(f"finish-{fire_id}", end)
    return outcomes


async def _attempt(fire_id: UUID) -> dict[str, Any]:
    """The outcome as JSON, as Inngest keeps it between the steps."""
    prepared = await _prepare(fire_id)
    outcome = prepared if isinstance(prepared, Outcome) else await attempt_watched(prepared)
    return {name: getattr(outcome, name) for name in Outcome.__slots__}


@unit_of_work()
async def _prepare(fire_id: UUID) -> Prepared | Outcome:
    fire = (await session().exec(select(Fire).where(col(Fire.id) == fire_id))).one_or_none()
    if fire is None or fire.state != FireState.RUNNING:
        return Outcome(error="Cancelled.", gone=True)
    task = (await session().exec(select(ScheduledTask).where(col(ScheduledTask.id) == fire.task_id))).one_or_none()
    try:
        return await prepare(fire, task)
    except UnfitError as unfit:
        return unfit.outcome


@unit_of_work()
async def _finish(fire_id: UUID, outcome: dict[str, Any]) -> str:
    fire = (await session().exec(select(Fire).where(col(Fire.id) == fire_id))).one_or_none()
    if fire is None:
        return "deleted"
    lock = select(ScheduledTask).where(col(ScheduledTask.id) == fire.task_id).with_for_update()
    task = (await session().exec(lock)).one_or_none()
    around = await fires_around(fire.task_id)
    await session().refresh(fire)
    if fire.state == FireState.RUNNING and not outcome["gone"]:
        await finish(fire, task, Outcome(**outcome), around)
        await session().flush()
        await write_notes()
    return fire.state


async def tell_missing(ctx: FunctionContext, event: TaskRef) -> None:
    """The time is over in which a schedule should have succeeded."""

    @unit_of_work()
    async def tell() -> None:
        query = select(ScheduledTask).where(col(ScheduledTask.id) == event.task_id)
        task = (await session().exec(query)).one_or_none()
        if task is not None:
            await alarms.missing(task)
            await alarms.expect_success(task)

    await ctx.step.run("tell", tell)


async def keep_house(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
    """Delete old history; plan anew where the rules of time zones have changed; follow what plugins bring."""

    async def prune() -> int:
        before = utcnow() - timedelta(days=SchedulingSettings().history_days)
        removed = 0
        while True:
            async with unit_of_work() as opened:
                old = (col(Fire.fire_at) < before, col(Fire.state).not_in(OPEN))
                ids = (await opened.exec(select(Fire.id).where(*old).limit(_BATCH))).all()
                await opened.exec(delete(Fire).where(col(Fire.id).in_(ids)))
            removed += len(ids)
            if len(ids) < _BATCH:
                return removed

    return {
        "removed": await ctx.step.run("prune", prune),
        "moved": await ctx.step.run("zones", _replan),
        "system": await ctx.step.run("system", system.follow_plugins),
    }


async def _replan() -> int:
    """Look at what is planned with another release of the time zone rules than the one in use; how many moved."""
    async with unit_of_work(read_only=True) as opened:
        query = select(ScheduledTask.tenant_id, ScheduledTask.id).where(
            col(ScheduledTask.rules) != rules_version(), col(ScheduledTask.next_fire_at).is_not(None)
        )
        outdated = (await opened.exec(query)).all()
    moved = 0
    for tenant_id, task_id in outdated:
        try:
            async with serving(tenant_id, "scheduling"), unit_of_work() as opened:
                lock = select(ScheduledTask).where(col(ScheduledTask.id) == task_id).with_for_update()
                task = (await opened.exec(lock)).one_or_none()
                if task is not None:
                    moved += await service.follow_rules(task)
                    await opened.flush()
                    await write_notes()
        except NotServedError:
            continue
    return moved


FUNCTIONS = (
    FunctionSpec(
        id="scheduling.execute",
        title="Run a scheduled task",
        trigger=FIRES_DUE,
        handler=execute,
        retries=10,
    ),
    FunctionSpec(
        id="scheduling.missing",
        title="Tell that a schedule did not succeed in time",
        trigger=SUCCESS_MISSING,
        handler=tell_missing,
    ),
    FunctionSpec(
        id="scheduling.housekeeping",
        title="Delete old history of schedules; follow time zones and plugins",
        trigger=Cron("41 3 * * *"),
        handler=keep_house,
        system=True,
    ),
)
