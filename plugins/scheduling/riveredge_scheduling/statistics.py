"""How fires went, in numbers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, func, select

from riveredge_scheduling.models import Fire, FireState, ScheduledTask
from riveredge_scheduling.schemas import Overview, Statistics
from riveredge_sdk import session

# The latest so many runs are measured.
_SAMPLE = 2000


async def measure(task_id: UUID | None, since: datetime) -> Statistics:
    """Of the schedule's fires from `since` on; None: of all schedules'."""
    mine = (col(Fire.nominal_at) >= since, *((col(Fire.task_id) == task_id,) if task_id is not None else ()))
    counts = await session().exec(select(Fire.state, func.count(col(Fire.id))).where(*mine).group_by(col(Fire.state)))
    states = dict(counts.all())
    timed = select(Fire.nominal_at, Fire.started_at, Fire.finished_at, Fire.kind).where(
        *mine, col(Fire.started_at).is_not(None), col(Fire.finished_at).is_not(None)
    )
    rows = (await session().exec(timed.order_by(col(Fire.nominal_at).desc()).limit(_SAMPLE))).all()
    lateness = sorted(
        max((started - nominal).total_seconds(), 0.0)
        for nominal, started, _, kind in rows
        if started is not None and kind == "scheduled"
    )
    durations = sorted((finished - started).total_seconds() for _, started, finished, _ in rows if started and finished)
    good, bad = states.get(FireState.SUCCEEDED, 0), states.get(FireState.FAILED, 0)
    return Statistics(
        since=since,
        states=states,
        success_rate=good / (good + bad) if good + bad else None,
        lateness_p50_s=_quantile(lateness, 0.5),
        lateness_p95_s=_quantile(lateness, 0.95),
        lateness_max_s=_quantile(lateness, 1),
        duration_p50_s=_quantile(durations, 0.5),
        duration_p95_s=_quantile(durations, 0.95),
        duration_max_s=_quantile(durations, 1),
    )


async def overview(since: datetime) -> Overview:
    """How all schedules are doing, and how their fires went from `since` on."""
    fires = await measure(None, since)
    counts = select(ScheduledTask.status, func.count(col(ScheduledTask.id))).group_by(col(ScheduledTask.status))
    failing = select(func.count(col(ScheduledTask.id))).where(col(ScheduledTask.failures) > 0)
    return Overview(
        **fires.model_dump(),
        schedules=dict((await session().exec(counts)).all()),
        failing=(await session().exec(failing)).one(),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 3) if ordered else None
