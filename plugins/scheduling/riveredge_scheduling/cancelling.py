"""Cancel fires: those that wait do not start, those that run are broken off by whoever runs them."""

from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from riveredge_scheduling.execution import fires_around
from riveredge_scheduling.models import OPEN, WAITING, Fire, FireState, ScheduledTask
from riveredge_scheduling.repository import Fires
from riveredge_scheduling.turns import ended, write_notes
from riveredge_sdk import current_principal, session, utcnow
from riveredge_sdk.problems import Conflict, NotFound


async def cancel(fire_id: UUID) -> Fire:
    """Cancel one that has not ended.

    Raises:
        Conflict: it has ended.
        NotFound: there is none.
    """
    task_id = (await Fires().get(fire_id)).task_id
    lock = select(ScheduledTask).where(col(ScheduledTask.id) == task_id).with_for_update()
    task = (await session().exec(lock)).one_or_none()
    around = await fires_around(task_id)
    fire = await Fires().get(fire_id, lock=True)
    await session().refresh(fire)
    if fire.state not in OPEN:
        raise Conflict(f"The fire is {fire.state} already.")
    now = utcnow()
    fire.state, fire.reason, fire.details = FireState.CANCELLED, "cancelled_by", None
    fire.finished_at, fire.requested_by = now, current_principal().id
    if task is not None:
        await ended(task, [each for each in around if each.id != fire.id], now)
    await session().flush()
    await write_notes()
    return fire


async def cancel_batch(batch: str) -> int:
    """Cancel what has not started of a backfill; how many fires that were.

    Raises:
        NotFound: there is no such backfill.
    """
    if await Fires().find(col(Fire.batch) == batch, col(Fire.kind) == "backfill") is None:
        raise NotFound(f"There is no backfill {batch} here.")
    waiting = (col(Fire.batch) == batch, col(Fire.kind) == "backfill", col(Fire.state).in_(WAITING))
    values = {
        "state": FireState.CANCELLED,
        "reason": "cancelled_by",
        "finished_at": utcnow(),
        "requested_by": current_principal().id,
    }
    return (await session().exec(update(Fire).where(*waiting).values(**values))).rowcount
