"""What operators can limit for an organisation."""

from collections.abc import Iterable

from sqlmodel import col

from riveredge_scheduling.models import SYSTEM, Fire, FireState, ScheduledTask
from riveredge_scheduling.repository import Fires, Tasks
from riveredge_scheduling.settings import SchedulingSettings
from riveredge_sdk.quotas import Quota, quota_limit

TASKS, RUNNING, LEAST = "scheduling.tasks", "scheduling.running", "scheduling.min_interval_s"


async def _tasks() -> int:
    return await Tasks().count(~col(ScheduledTask.key).startswith(SYSTEM))


async def _running() -> int:
    return await Fires().count(col(Fire.state) == FireState.RUNNING)


def quotas() -> Iterable[Quota]:
    """With the installation's settings as the limits of those for whom the operators set none."""
    limits = SchedulingSettings()
    return (
        Quota(TASKS, "Schedules", _tasks, "Those that plugins bring do not count.", default=limits.max_tasks),
        Quota(
            RUNNING,
            "Actions of schedules at the same time",
            _running,
            "Transactional ones, which are over at once, are not held up.",
            default=limits.max_running,
        ),
        Quota(
            LEAST,
            "Seconds between two fires of a schedule",
            description="The least there may be. Below 60, cron expressions may have seconds.",
            default=limits.min_interval_s,
            unit="seconds",
        ),
    )


async def least_interval() -> int:
    """So many seconds have to lie between two fires of a schedule of the current organisation."""
    return await quota_limit(LEAST) or 1
