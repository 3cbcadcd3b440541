"""The next instants of a plan, with what is special about each."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from riveredge_scheduling import series
from riveredge_scheduling.plan import HORIZON, Plan
from riveredge_scheduling.preview_schemas import Note, Occurrence
from riveredge_scheduling.texts import sentence
from riveredge_scheduling.triggers import CalendarTrigger, CronTrigger, DateTrigger
from riveredge_scheduling.zones import is_missing, is_repeated, jumped_over

# So many instants show how dense a plan is: more than one hour of every minute.
_DENSITY_SAMPLE = 200
_MAX_SKIPPED = 50


def occurrences(plan: Plan, after: datetime, count: int, locale: str) -> list[Occurrence]:
    """The next `count` fires, and between them what falls on days off."""
    found: list[Occurrence] = []
    moment = after
    for nominal in plan.between(after, datetime.max.replace(tzinfo=after.tzinfo), count):
        if plan.on_holiday == "skip":
            found += [_skipped(plan, each, locale) for each in plan.skipped(moment, nominal, _MAX_SKIPPED)]
        found.append(_fire(plan, nominal, locale))
        moment = nominal
    return found


def min_gap_s(plan: Plan, after: datetime) -> int | None:
    """The least number of seconds between two fires; None if there are fewer than two in five years."""
    # Not further ahead: the next two hundred of a schedule for 29 February take centuries, and seconds to find.
    first = max(after, plan.starts_at or after)
    instants = plan.between(after, first + HORIZON, _DENSITY_SAMPLE)
    return min((int((later - earlier).total_seconds()) for earlier, later in pairwise(instants)), default=None)


def _fire(plan: Plan, nominal: datetime, locale: str) -> Occurrence:
    fire_at = plan.fire_at(nominal)
    notes = [Note(code=code, text=sentence(code, locale, details)) for code, details in _notes(plan, nominal, locale)]
    return _occurrence(plan, nominal, fire_at, notes, fires=True)


def _skipped(plan: Plan, nominal: datetime, locale: str) -> Occurrence:
    name = _day_off(plan, nominal.astimezone(ZoneInfo(plan.zone)).date(), locale)
    note = Note(code="off", text=sentence("off", locale, {"name": name}))
    return _occurrence(plan, nominal, nominal, [note], fires=False)


def _occurrence(plan: Plan, nominal: datetime, fire_at: datetime, notes: list[Note], *, fires: bool) -> Occurrence:
    local = nominal.astimezone(ZoneInfo(plan.zone))
    return Occurrence(
        nominal_at=nominal,
        fire_at=fire_at,
        local=local.isoformat(),
        weekday=local.isoweekday(),
        fires=fires,
        notes=notes,
    )


def _day_off(plan: Plan, day: date, locale: str) -> str:
    return (plan.workdays.why_off(day) if plan.workdays else "") or sentence("weekend", locale)


def _notes(plan: Plan, nominal: datetime, locale: str) -> Iterator[tuple[str, dict[str, object]]]:
    zone = ZoneInfo(plan.zone)
    local = nominal.astimezone(zone)
    missing = _missing_wall(plan, nominal, zone)
    if missing is not None:
        yield "gap", {"wall": f"{missing:%H:%M}"}
    elif is_repeated(nominal, zone) and not isinstance(plan.trigger, DateTrigger):
        yield ("fold" if _at_fixed_time(plan) else "fold_repeat"), {"wall": f"{local:%H:%M}"}
    base = _moved_from(plan, nominal)
    if base is not None:
        wall = base.astimezone(zone)
        yield "moved", {"wall": f"{wall:%Y-%m-%d}", "name": _day_off(plan, wall.date(), locale)}
    fire_at = plan.fire_at(nominal)
    if fire_at != nominal:
        yield "jitter", {"wall": f"{fire_at.astimezone(zone):%H:%M:%S}", "seconds": plan.jitter_s}


def _at_fixed_time(plan: Plan) -> bool:
    """Whether it names a time on the wall, so that it runs once where clocks fall back."""
    if isinstance(plan.trigger, CronTrigger):
        minute, hour, *_ = plan.trigger.expression.split()
        return not plan.trigger.has_seconds and not minute.startswith("*") and not hour.startswith("*")
    return isinstance(plan.trigger, CalendarTrigger)


def _missing_wall(plan: Plan, nominal: datetime, zone: ZoneInfo) -> time | None:
    """The time on the wall that was meant, where clocks jump over it and the fire comes right after."""
    jump = jumped_over(nominal, zone)
    if jump is None:
        return None
    if isinstance(plan.trigger, DateTrigger):
        return plan.trigger.at.time() if is_missing(plan.trigger.at, zone) else None
    if not _at_fixed_time(plan):
        return None
    landed = nominal.astimezone(zone).replace(tzinfo=None)
    # The same plan in a zone without jumps shows which times on the wall were meant.
    steady = Plan(trigger=plan.trigger, zone="UTC")
    utc = ZoneInfo("UTC")
    meant = steady.after((landed - jump).replace(tzinfo=utc) - timedelta(microseconds=1))
    if meant is None or meant.replace(tzinfo=None) >= landed:
        return None
    return meant.time()


def _moved_from(plan: Plan, nominal: datetime) -> datetime | None:
    """The instant of the trigger that holidays moved to `nominal`; None if it is its own."""
    if plan.workdays is None or plan.on_holiday not in {"next_workday", "previous_workday"}:
        return None
    base = nominal - timedelta(days=32)
    while True:
        found = series.after(plan.trigger, plan.zone, base)
        if found is None or found > nominal + timedelta(days=32):
            return None
        if plan.moved(found) == nominal:
            return None if found == nominal else found
        base = found
