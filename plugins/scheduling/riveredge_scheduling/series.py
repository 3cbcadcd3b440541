"""The instants of a trigger, without regard to holidays, start and end."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from riveredge_scheduling.triggers import (
    CalendarTrigger,
    CronTrigger,
    DateTrigger,
    DelayTrigger,
    IntervalTrigger,
    Trigger,
)
from riveredge_scheduling.zones import instant_of


def after(trigger: Trigger, zone: str, moment: datetime) -> datetime | None:
    """The first instant of the trigger later than `moment`, UTC; None if there is none.

    A fixed delay has no plan of its own: its next instant follows from the end of a run.
    """
    if isinstance(trigger, CronTrigger):
        return _cron(trigger.expression, zone, moment)
    if isinstance(trigger, IntervalTrigger):
        return _interval(trigger, moment)
    if isinstance(trigger, CalendarTrigger):
        return _calendar(trigger, ZoneInfo(zone), moment)
    if isinstance(trigger, DateTrigger):
        at = instant_of(trigger.at, ZoneInfo(zone))
        return at if at > moment else None
    assert isinstance(trigger, DelayTrigger)  # noqa: S101
    return None


# Many schedules share an expression, and a claim asks for all of them at nearly the same time.
@lru_cache(maxsize=50_000)
def _cron(expression: str, zone: str, moment: datetime) -> datetime | None:
    candidates = CronSim(expression, moment.astimezone(ZoneInfo(zone)))
    for candidate in candidates:
        instant = candidate.astimezone(UTC)
        # Where clocks fall back, times of the first round are offered during the second one.
        if instant > moment:
            return instant
    return None


def _interval(trigger: IntervalTrigger, moment: datetime) -> datetime:
    anchor = trigger.anchor
    assert anchor is not None  # noqa: S101  (set when the schedule was saved)
    every = timedelta(seconds=trigger.every_s)
    if moment < anchor:
        return anchor.astimezone(UTC)
    return (anchor + ((moment - anchor) // every + 1) * every).astimezone(UTC)


def _calendar(trigger: CalendarTrigger, zone: ZoneInfo, moment: datetime) -> datetime | None:
    number = max(_number_near(trigger, moment.astimezone(zone).date()) - 1, 0)
    while True:
        try:
            day = _day(trigger, number)
        except (ValueError, OverflowError):
            return None
        instant = instant_of(datetime.combine(day, trigger.at), zone)
        if instant > moment:
            return instant
        number += 1


def _number_near(trigger: CalendarTrigger, day: date) -> int:
    """The number of the occurrence on `day`, or of one shortly before."""
    anchor = trigger.anchor
    if trigger.unit in {"day", "week"}:
        return (day - anchor).days // (trigger.every * (7 if trigger.unit == "week" else 1))
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    return months // (trigger.every * (12 if trigger.unit == "year" else 1))


def _day(trigger: CalendarTrigger, number: int) -> date:
    anchor, steps = trigger.anchor, number * trigger.every
    if trigger.unit == "day":
        return anchor + timedelta(days=steps)
    if trigger.unit == "week":
        return anchor + timedelta(weeks=steps)
    months = anchor.year * 12 + anchor.month - 1 + steps * (12 if trigger.unit == "year" else 1)
    first = date(months // 12, months % 12 + 1, 1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(anchor.day, last.day))
