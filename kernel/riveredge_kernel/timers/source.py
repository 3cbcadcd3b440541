"""The kernel's own timers: claimed like any plugin's due rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.events.models import OutboxEvent, OutboxState
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.timers.models import Timer, TimerState
from riveredge_kernel.timers.service import event_of
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.timers import DueRows, Waiting
from riveredge_sdk.uow import unit, unit_of_work

# An event without a sure consumer is done with once it was sent; this long after its time, so is its timer.
SETTLE_AFTER = timedelta(seconds=30)
_RELEASED = 5000
_WAITING = (col(Timer.ended_at).is_(None), col(Timer.state) == TimerState.WAITING)


class KernelTimers(DueRows):
    """`kernel_timer`."""

    id = "kernel.timers"
    title = "Timers"

    def __init__(self, tenants: TenantDirectory, plugins: PluginHost) -> None:
        self._tenants = tenants
        self._plugins = plugins

    async def claim(self, until: datetime, limit: int) -> int:
        async with unit_of_work() as session:
            query = (
                select(Timer)
                .where(*_WAITING, col(Timer.due_at) < until)
                .order_by(col(Timer.due_at))
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            rows = (await session.exec(query)).all()
            await self._dispatch(session, rows)
            # What was read is not to be written back, nor kept.
            session.expunge_all()
        return len(rows)

    async def _dispatch(self, session: AsyncSession, rows: Sequence[Timer]) -> None:
        if not rows:
            return
        now = utcnow()
        work = unit()
        changes: list[dict[str, Any]] = []
        for row in rows:
            event_id = uuid7()
            changes.append({"the_row": row.id, "the_event": event_id})
            work.add_event(
                event_of(
                    row.id,
                    row.generation,
                    event_id,
                    row.event,
                    row.data,
                    row.due_at,
                    tenant_id=row.tenant_id,
                    request_id=row.request_id,
                )
            )
        table: Any = Timer.__table__  # type: ignore[attr-defined]
        dispatched = {
            "state": TimerState.DISPATCHED,
            "dispatched_at": now,
            "event_id": bindparam("the_event"),
            "held_for": None,
        }
        statement = update(table).where(table.c.id == bindparam("the_row")).values(**dispatched)
        await (await session.connection()).execute(statement, changes)

    async def reconcile(self, now: datetime) -> int:
        """Send what was held for tenants that are served again, and end what was sent to nobody in particular.

        What was sent and not seen to start, the outbox sends again by itself.
        """
        async with unit_of_work() as session:
            pairs = (
                await session.exec(
                    select(Timer.tenant_id, Timer.held_for)
                    .where(col(Timer.ended_at).is_(None), col(Timer.state) == TimerState.HELD)
                    .distinct()
                )
            ).all()
        mended = 0
        tenants = await self._tenants.get_many({tenant_id for tenant_id, _ in pairs})
        for tenant_id, plugin in pairs:
            tenant = tenants.get(tenant_id)
            if tenant is not None and tenant.status == TenantStatus.ACTIVE and self._on(plugin, tenant.switches):
                mended += await self._release(tenant_id, plugin)
        await self._settle(now)
        return mended

    async def _release(self, tenant_id: UUID, plugin: str | None) -> int:
        """Send them now: left to the next tick, they would be a minute later still. Many take several ticks."""
        held = (col(Timer.tenant_id) == tenant_id, col(Timer.held_for) == plugin, col(Timer.state) == TimerState.HELD)
        async with unit_of_work() as session:
            query = select(Timer).where(col(Timer.ended_at).is_(None), *held).order_by(col(Timer.due_at))
            rows = (await session.exec(query.limit(_RELEASED).with_for_update(skip_locked=True))).all()
            await self._dispatch(session, rows)
            session.expunge_all()
        return len(rows)

    def _on(self, plugin: str | None, switches: Any) -> bool:
        return plugin is None or is_on(self._plugins, plugin, switches)

    async def _settle(self, now: datetime) -> None:
        done = select(OutboxEvent.id).where(col(OutboxEvent.state) == OutboxState.CONFIRMED)
        sent = (
            col(Timer.ended_at).is_(None),
            col(Timer.state) == TimerState.DISPATCHED,
            col(Timer.due_at) < now - SETTLE_AFTER,
            col(Timer.event_id).in_(done),
        )
        async with unit_of_work() as session:
            await session.exec(update(Timer).where(*sent).values(state=TimerState.FIRED, ended_at=now))

    async def waiting(self, now: datetime) -> Waiting:
        async with unit_of_work(read_only=True) as session:
            overdue = (await session.exec(select(func.count()).where(*_WAITING, col(Timer.due_at) < now))).one()
            next_due = (await session.exec(select(func.min(Timer.due_at)).where(*_WAITING))).one()
        return Waiting(overdue=overdue, next_due_at=next_due)
