"""A table of due rows of the plugin's own, which the kernel's tick claims."""

from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import col, select

from riveredge_example.models import Chime
from riveredge_sdk import unit_of_work
from riveredge_sdk.timers import Chunk, Fire, TimerSource, Waiting, publish_fires


class Chimes(TimerSource):
    """Lets chimes chime. One that is planned is not claimed again before it has chimed."""

    id = "example.chimes"
    title = "Chimes of notes"

    async def claim(self, until: datetime, limit: int) -> int:
        async with unit_of_work() as session:
            due = (col(Chime.next_at) < until, col(Chime.planned_for).is_(None))
            query = select(Chime).where(*due).order_by(col(Chime.next_at)).limit(limit)
            rows = (await session.exec(query.with_for_update(skip_locked=True))).all()
            for row in rows:
                row.planned_for, row.next_at = row.next_at, row.next_at + timedelta(seconds=row.every_seconds)
            publish_fires(
                self.id,
                [Fire(tenant_id=row.tenant_id, id=row.id, due_at=row.planned_for) for row in rows if row.planned_for],
            )
        return len(rows)

    async def fire(self, chunk: Chunk) -> None:
        due_at = chunk.fires[0].due_at
        planned = (col(Chime.id).in_([fire.id for fire in chunk.fires]), col(Chime.planned_for) == due_at)
        async with unit_of_work() as session:
            done = {"chimed": col(Chime.chimed) + 1, "planned_for": None}
            await session.exec(update(Chime).where(*planned).values(**done))

    async def reconcile(self, now: datetime) -> int:
        """Plan again what was planned long ago and never came."""
        lost = col(Chime.planned_for) < now - timedelta(hours=1)
        async with unit_of_work() as session:
            again = update(Chime).where(lost).values(planned_for=None)
            return (await session.exec(again)).rowcount

    async def waiting(self, now: datetime) -> Waiting:
        async with unit_of_work(read_only=True) as session:
            unclaimed = col(Chime.planned_for).is_(None)
            overdue = (await session.exec(select(func.count()).where(unclaimed, col(Chime.next_at) < now))).one()
            return Waiting(
                overdue=overdue,
                next_due_at=(await session.exec(select(func.min(Chime.next_at)).where(unclaimed))).one(),
            )
