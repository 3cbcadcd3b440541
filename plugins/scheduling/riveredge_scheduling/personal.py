"""What the plugin holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col

from riveredge_scheduling.models import Fire, ScheduledTask
from riveredge_scheduling.repository import Fires, Tasks
from riveredge_sdk import session


async def export(user_id: UUID) -> dict[str, Any]:
    """The schedules a person owns, and the fires they asked for, as JSON."""
    owned = await Tasks().all(col(ScheduledTask.owner_id) == user_id)
    asked = await Fires().all(col(Fire.requested_by) == user_id)
    return {
        "schedules": [{"key": task.key, "title": task.title} for task in owned],
        "requested_fires": [{"key": fire.task_key, "at": fire.nominal_at.isoformat()} for fire in asked],
    }


async def erase(user_id: UUID) -> int:
    """Take the person off. A schedule without an owner does not run; it is paused at its next fire, with an alarm."""
    count = 0
    for task in await Tasks().all():
        if str(user_id) in task.alarm_to:
            task.alarm_to = [each for each in task.alarm_to if each != str(user_id)]
            count += 1
    mine: tuple[tuple[Any, str], ...] = (
        (ScheduledTask, "owner_id"),
        (ScheduledTask, "paused_by"),
        (ScheduledTask, "resumed_by"),
        (Fire, "requested_by"),
    )
    for model, name in mine:
        changed = await session().exec(update(model).where(getattr(model, name) == user_id).values({name: None}))
        count += changed.rowcount
    return count
