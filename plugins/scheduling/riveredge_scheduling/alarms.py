"""Tells people that a schedule failed, is late, was paused, or did not succeed in time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from riveredge_scheduling.events import SUCCESS_MISSING, TaskRef
from riveredge_scheduling.models import Fire, ScheduledTask, TaskStatus
from riveredge_scheduling.templates import FAILED, LATE, MISSING, PAUSED
from riveredge_sdk import find_service, get_service, timers, utcnow
from riveredge_sdk.features.messaging import NOTIFIER, Notification
from riveredge_sdk.features.people import PEOPLE

_TIMER = "expected-success"


async def failed(task: ScheduledTask, fire: Fire, count: int, error: str) -> None:
    """A run failed for good, the `count`-th in a row."""
    if task.alarm_after_failures is not None and count == task.alarm_after_failures:
        data = {"count": count, "error": error[:1000], "at": fire.nominal_at.isoformat()}
        await _tell(task, FAILED.id, data, f"failed:{fire.id}")


async def late(task: ScheduledTask, fire: Fire, seconds: int) -> None:
    """A run started so many seconds after it should have."""
    if task.alarm_late_s is not None and seconds > task.alarm_late_s:
        data = {"seconds": seconds, "at": fire.nominal_at.isoformat()}
        await _tell(task, LATE.id, data, f"late:{fire.id}")


async def paused(task: ScheduledTask, reason: str) -> None:
    """The schedule was paused by the platform."""
    await _tell(task, PAUSED.id, {"reason": reason[:500]}, f"paused:{task.id}:{utcnow().isoformat()}")


async def missing(task: ScheduledTask) -> None:
    """No run has succeeded for as long as one should have."""
    seconds = task.expect_success_within_s
    if seconds is None or task.status == TaskStatus.PAUSED:
        return
    await _tell(task, MISSING.id, {"seconds": seconds}, f"missing:{task.id}:{task.last_success_at}")


async def expect_success(task: ScheduledTask) -> None:
    """Begin to wait anew for a success; or stop, where none is expected any more."""
    owner = timers.Owner("scheduling.task", task.id)
    if task.expect_success_within_s is None or task.status != TaskStatus.ACTIVE:
        await timers.cancel(owner, _TIMER)
        return
    due_at = utcnow() + timedelta(seconds=task.expect_success_within_s)
    await timers.set(owner, _TIMER, due_at, SUCCESS_MISSING, TaskRef(task_id=task.id, key=task.key))


async def forget(task_id: UUID) -> None:
    """The schedule is gone."""
    await timers.cancel(timers.Owner("scheduling.task", task_id))


async def _tell(task: ScheduledTask, template: str, data: Mapping[str, Any], key: str) -> None:
    notifier = find_service(NOTIFIER)
    if notifier is None:
        return
    wanted = [UUID(each) for each in task.alarm_to] or ([task.owner_id] if task.owner_id is not None else [])
    people = await get_service(PEOPLE).find(wanted)
    # Whoever has left since is no reason for the others not to learn of it.
    to = [each for each in wanted if each in people and people[each].active]
    if to:
        await notifier.notify(
            Notification(
                template=template,
                to=to,
                data={"title": task.title, "key": task.key, **data},
                idempotency_key=f"scheduling:{key}",
                correlation=f"scheduling.task:{task.id}",
            )
        )
