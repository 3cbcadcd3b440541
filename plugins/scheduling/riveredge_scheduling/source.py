"""The schedules as a source of the kernel's tick: claims what is due, executes the light fires, mends what got lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import exists, insert, update
from sqlalchemy.orm import aliased
from sqlmodel import bindparam, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_scheduling.advance import advance
from riveredge_scheduling.execution import Outcome, finish, fires_around
from riveredge_scheduling.models import Calendar, Fire, FireState, ScheduledTask, TaskStatus
from riveredge_scheduling.planning import SOURCE, catch_up_of, fire_rows, hand_over, plan_of, workdays_of
from riveredge_scheduling.texts import sentence
from riveredge_scheduling.together import execute_together
from riveredge_scheduling.turns import ended, write_notes
from riveredge_scheduling.workdays import Workdays
from riveredge_sdk import session, unit_of_work, utcnow
from riveredge_sdk.timers import HORIZON, Chunk, NotServedError, TimerSource, Waiting, served_tenants, serving

log = structlog.get_logger(__name__)

PLUGIN = "scheduling"
# A fire that has not started this long after its time was lost on the way. Sending it again is harmless.
LOST_AFTER = timedelta(seconds=60)
# Schedules of organisations that are not served are looked at again after this time.
LOOK_AGAIN = timedelta(minutes=5)
_BATCH = 1000
# What a claim needs of a schedule.
_CLAIMED = (
    *("id", "tenant_id", "key", "action", "revision", "trigger", "zone", "starts_at", "ends_at", "calendar_id"),
    *("on_holiday", "jitter_s", "catch_up", "catch_up_max", "catch_up_window_s", "misfire_grace_s"),
    *("next_nominal_at", "next_fire_at", "last_nominal_at"),
)
_ARMED = (col(ScheduledTask.next_fire_at).is_not(None), col(ScheduledTask.status) == TaskStatus.ACTIVE)


class Schedules(TimerSource):
    """`scheduling_task`."""

    id = SOURCE
    title = "Schedules"

    async def claim(self, until: datetime, limit: int) -> int:
        now = until - HORIZON
        table: Any = ScheduledTask.__table__  # type: ignore[attr-defined]
        async with unit_of_work() as opened:
            query = (
                select(*(table.c[name] for name in _CLAIMED))
                .where(*_ARMED, col(ScheduledTask.next_fire_at) < until)
                # Those of one organisation together: what is due to it at one instant is one transaction, or few.
                .order_by(col(ScheduledTask.next_fire_at), col(ScheduledTask.tenant_id))
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            tasks: Sequence[Any] = (await opened.exec(query)).all()
            if not tasks:
                return 0
            calendars = await _calendars(opened, {task.calendar_id for task in tasks if task.calendar_id is not None})
            unserved = await _unserved({task.tenant_id for task in tasks})
            rows: list[dict[str, Any]] = []
            changes: list[dict[str, Any]] = []
            for task in tasks:
                if task.tenant_id in unserved:
                    # Nothing is lost: when the organisation is back, this is what was missed.
                    changes.append(_change(task.id, task.next_nominal_at, now + LOOK_AGAIN, task.last_nominal_at))
                    continue
                plan = plan_of(task, calendars.get(task.calendar_id))
                done = advance(plan, task.next_nominal_at, task.next_fire_at, catch_up_of(task), now, until)
                rows += fire_rows(task, done.fires, now)
                last = done.last_nominal_at or task.last_nominal_at
                changes.append(_change(task.id, done.next_nominal_at, done.next_fire_at, last))
            connection = await opened.connection()
            if rows:
                await connection.execute(insert(Fire.__table__), rows)  # type: ignore[attr-defined]
            statement = (
                update(table)
                .where(table.c.id == bindparam("row"))
                .values(
                    next_nominal_at=bindparam("nominal"),
                    next_fire_at=bindparam("fire"),
                    last_nominal_at=bindparam("last"),
                    updated_at=table.c.updated_at,
                )
            )
            await connection.execute(statement, changes)
            hand_over(rows)
        return len(tasks)

    async def fire(self, chunk: Chunk) -> None:
        by_tenant: dict[UUID, list[UUID]] = {}
        for each in chunk.fires:
            by_tenant.setdefault(each.tenant_id, []).append(each.id)
        failures: list[Exception] = []
        for tenant_id in await served_tenants(PLUGIN, by_tenant):
            try:
                async with serving(tenant_id, PLUGIN):
                    await execute_together(by_tenant[tenant_id], chunk.run_id)
            except NotServedError:
                continue
            except Exception as error:
                log.exception("fires_failed", tenant=str(tenant_id), fires=len(by_tenant[tenant_id]))
                failures.append(error)
        if failures:
            raise failures[0]

    async def reconcile(self, now: datetime) -> int:
        return await _send_again(now) + await _end_leases(now) + await _free_queues()

    async def waiting(self, now: datetime) -> Waiting:
        async with unit_of_work(read_only=True) as opened:
            late = func.count().filter(col(ScheduledTask.next_fire_at) < now)
            by_tenant = select(ScheduledTask.tenant_id, late, func.min(ScheduledTask.next_fire_at)).where(*_ARMED)
            found = (await opened.exec(by_tenant.group_by(col(ScheduledTask.tenant_id)))).all()
        # Those of organisations that are not served are looked at now and then, and are due to nobody.
        served = await served_tenants(PLUGIN, {tenant for tenant, _, _ in found})
        mine = [(overdue, due) for tenant, overdue, due in found if tenant in served and due is not None]
        return Waiting(overdue=sum(o for o, _ in mine), next_due_at=min((due for _, due in mine), default=None))


def _change(row: UUID, nominal: datetime | None, fire: datetime | None, last: datetime | None) -> dict[str, Any]:
    return {"row": row, "nominal": nominal, "fire": fire, "last": last}


async def _calendars(opened: AsyncSession, ids: set[UUID]) -> dict[UUID, Workdays]:
    if not ids:
        return {}
    found = (await opened.exec(select(Calendar).where(col(Calendar.id).in_(ids)))).all()
    return {calendar.id: workdays_of(calendar) for calendar in found}


async def _unserved(tenant_ids: set[UUID]) -> set[UUID]:
    """Those that are suspended or have the plugin switched off."""
    return tenant_ids - set(await served_tenants(PLUGIN, tenant_ids))


async def _send_again(now: datetime) -> int:
    """Fires whose event has arrived nowhere, or at a time when the organisation was not served."""
    async with unit_of_work() as opened:
        lost = (
            col(Fire.state).in_((FireState.PLANNED, FireState.RETRYING)),
            col(Fire.fire_at) < now - LOST_AFTER,
            col(Fire.sent_at) < now - LOST_AFTER,
        )
        query = select(Fire).where(*lost).order_by(col(Fire.fire_at)).limit(_BATCH).with_for_update(skip_locked=True)
        fires = (await opened.exec(query)).all()
        unserved = await _unserved({fire.tenant_id for fire in fires})
        served = [fire for fire in fires if fire.tenant_id not in unserved]
        for fire in fires:
            fire.sent_at = now
        hand_over([vars(fire) for fire in served])
    return len(served)


async def _end_leases(now: datetime) -> int:
    """Runs whose process has died or hangs: they free their turn, and are tried again."""
    query = select(Fire.tenant_id, Fire.id, Fire.task_id).where(
        col(Fire.state) == FireState.RUNNING, col(Fire.lease_until) < now
    )
    async with unit_of_work(read_only=True) as opened:
        expired = (await opened.exec(query.limit(_BATCH))).all()
    for tenant_id, fire_id, task_id in expired:
        try:
            async with serving(tenant_id, PLUGIN), unit_of_work():
                task = await _lock(task_id)
                around = await fires_around(task_id)
                fire = next((each for each in around if each.id == fire_id), None)
                if fire is not None and fire.state == FireState.RUNNING and (fire.lease_until or now) < now:
                    outcome = Outcome(error=sentence("lease", "en"), reason="lease")
                    await finish(fire, task, outcome, around)
                    await session().flush()
                    await write_notes()
        except NotServedError:
            continue
    return len(expired)


async def _free_queues() -> int:
    """Fires that wait for a turn that nobody holds."""
    other = aliased(Fire)
    busy = exists().where(
        col(other.task_id) == col(Fire.task_id),
        col(other.state).in_((FireState.PLANNED, FireState.RUNNING, FireState.RETRYING)),
    )
    query = select(Fire.tenant_id, Fire.task_id).where(col(Fire.state) == FireState.BUFFERED, ~busy).distinct()
    async with unit_of_work(read_only=True) as opened:
        stuck = (await opened.exec(query.limit(_BATCH))).all()
    for tenant_id, task_id in stuck:
        try:
            async with serving(tenant_id, PLUGIN), unit_of_work():
                task = await _lock(task_id)
                around = await fires_around(task_id)
                if task is not None:
                    await ended(task, around, utcnow())
                    await session().flush()
                    await write_notes()
                else:
                    for fire in around:
                        fire.state, fire.reason, fire.finished_at = FireState.SUPERSEDED, "deleted", utcnow()
        except NotServedError:
            continue
    return len(stuck)


async def _lock(task_id: UUID) -> ScheduledTask | None:
    query = select(ScheduledTask).where(col(ScheduledTask.id) == task_id).with_for_update()
    return (await session().exec(query)).one_or_none()
