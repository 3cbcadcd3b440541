"""Previews, with what is worth a warning: runs that will meet, and instants at which many fire."""

from datetime import datetime, timedelta

from sqlmodel import col, func, select

from riveredge_scheduling import statistics
from riveredge_scheduling.models import ScheduledTask
from riveredge_scheduling.plan import Plan, utc
from riveredge_scheduling.planning import find_workdays
from riveredge_scheduling.preview import min_gap_s, occurrences
from riveredge_scheduling.preview_schemas import Note, PreviewIn, PreviewOut
from riveredge_scheduling.texts import sentence
from riveredge_scheduling.triggers import DelayTrigger, IntervalTrigger
from riveredge_scheduling.zones import check_zone
from riveredge_sdk import current_context, session, utcnow
from riveredge_sdk.problems import invalid_field

_CROWD = 50


async def plan_from(body: PreviewIn, now: datetime) -> Plan:
    """The plan that a body describes.

    Raises:
        Invalid: there is no such zone or calendar.
    """
    trigger = body.trigger
    if isinstance(trigger, IntervalTrigger) and trigger.anchor is None:
        trigger = trigger.model_copy(update={"anchor": utc(body.starts_at or now)})
    workdays = await find_workdays(body.calendar_id)
    if body.calendar_id is not None and workdays is None:
        raise invalid_field("calendar_id", f"There is no calendar {body.calendar_id} here.", "unknown")
    return Plan(
        trigger=trigger,
        zone=check_zone(body.zone or current_context().timezone),
        starts_at=body.starts_at and utc(body.starts_at),
        ends_at=body.ends_at and utc(body.ends_at),
        workdays=workdays,
        on_holiday=body.on_holiday,
        jitter_s=body.jitter_s,
    )


async def preview_of(plan: Plan, after: datetime, count: int, task: ScheduledTask | None) -> PreviewOut:
    """The next fires of a plan; of a saved schedule also what its past runs say about them."""
    locale = current_context().locale
    items = occurrences(plan, after, count, locale)
    gap = min_gap_s(plan, after)
    warnings: list[Note] = []
    if isinstance(plan.trigger, DelayTrigger):
        text = sentence("no_plan", locale, {"seconds": plan.trigger.every_s})
        warnings.append(Note(code="no_plan", text=text))
    if task is not None and gap is not None:
        usual = (await statistics.measure(task.id, utcnow() - timedelta(days=30))).duration_p50_s
        if usual is not None and usual > gap:
            details = {"seconds": round(usual), "gap": gap}
            warnings.append(Note(code="self_overlap", text=sentence("self_overlap", locale, details)))
    first = next((item.fire_at for item in items if item.fires), None)
    if first is not None and not plan.jitter_s:
        others = await _firing_near(first, task)
        if others >= _CROWD:
            warnings.append(Note(code="crowded", text=sentence("crowded", locale, {"count": others})))
    return PreviewOut(zone=plan.zone, items=items, min_gap_s=gap, warnings=warnings)


async def _firing_near(moment: datetime, task: ScheduledTask | None) -> int:
    """How many other schedules of the organisation are next to fire within the same minute."""
    minute = moment.replace(second=0, microsecond=0)
    near = [col(ScheduledTask.next_fire_at) >= minute, col(ScheduledTask.next_fire_at) < minute + timedelta(minutes=1)]
    if task is not None:
        near.append(col(ScheduledTask.id) != task.id)
    return (await session().exec(select(func.count(col(ScheduledTask.id))).where(*near))).one()
