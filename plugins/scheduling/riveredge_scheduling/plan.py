"""The plan of a schedule: its instants with holidays, start, end and jitter taken into account. Pure: no database."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from riveredge_scheduling import series
from riveredge_scheduling.triggers import DateTrigger, Trigger
from riveredge_scheduling.workdays import MAX_MOVE_DAYS, OnHoliday, Workdays
from riveredge_scheduling.zones import instant_of

# What has no fire within this time never fires.
HORIZON = timedelta(days=5 * 366)
# What does not fire is counted up to here.
MAX_COUNTED = 1500
_TICK = timedelta(microseconds=1)
_NO_SEED = UUID(int=0)
_LOOK_BACK = (60, 3_600, 86_400, 31 * 86_400, 366 * 86_400, 5 * 366 * 86_400)


@dataclass(frozen=True, slots=True)
class DayOff:
    """A day on which `count` instants, from `nominal_at` on, do not fire. `until` is its end, `name` the holiday's."""

    nominal_at: datetime
    count: int
    until: datetime
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When a schedule fires. Instants are UTC with whole seconds.

    `seed` is the schedule's id: with the nominal instant it decides the jitter, the same at every repetition.
    """

    trigger: Trigger
    zone: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    workdays: Workdays | None = None
    on_holiday: OnHoliday = "ignore"
    jitter_s: int = 0
    seed: UUID = _NO_SEED

    def after(self, moment: datetime) -> datetime | None:
        """The first nominal instant later than `moment`; None if none follows within five years."""
        if self.starts_at is not None:
            moment = max(moment, self.starts_at - _TICK)
        if self.workdays is None or self.on_holiday == "ignore":
            found = series.after(self.trigger, self.zone, moment)
        elif self.on_holiday == "skip":
            found = self._after_skipping(moment)
        else:
            found = self._after_moving(moment)
        if found is None or (self.ends_at is not None and found > self.ends_at):
            return None
        return found if found <= moment + HORIZON or isinstance(self.trigger, DateTrigger) else None

    def between(self, after: datetime, until: datetime, limit: int) -> Iterator[datetime]:
        """The nominal instants in (after, until], at most `limit`."""
        moment = after
        for _ in range(limit):
            found = self.after(moment)
            if found is None or found > until:
                return
            yield found
            moment = found

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last nominal instant in (after, until]; None if there is none."""
        for seconds in _LOOK_BACK:
            start = max(until - timedelta(seconds=seconds), after)
            last = None
            for found in self.between(start, until, 1_000_000):
                last = found
            if last is not None or start == after:
                return last
        return None

    def fire_at(self, nominal: datetime) -> datetime:
        """The nominal instant with its jitter, which never reaches the next one."""
        if not self.jitter_s:
            return nominal
        following = self.after(nominal)
        gap = self.jitter_s if following is None else int((following - nominal).total_seconds())
        digest = hashlib.sha256(self.seed.bytes + nominal.isoformat().encode()).digest()
        return nominal + timedelta(seconds=int.from_bytes(digest[:8], "big") % max(min(self.jitter_s, gap), 1))

    def skipped(self, after: datetime, until: datetime, limit: int) -> Iterator[datetime]:
        """The instants in (after, until] at which it would fire if holidays did not count, and does not."""
        if self.workdays is None or self.on_holiday == "ignore":
            return
        moment = after if self.starts_at is None else max(after, self.starts_at - _TICK)
        for _ in range(limit):
            found = series.after(self.trigger, self.zone, moment)
            if found is None or found > until or (self.ends_at is not None and found > self.ends_at):
                return
            if not self.workdays.is_workday(found.astimezone(ZoneInfo(self.zone)).date()):
                yield found
            moment = found

    def days_off(self, after: datetime, until: datetime, limit: int) -> Iterator["DayOff"]:
        """The days off in (after, until], at most `limit`, with what does not fire on them."""
        if self.workdays is None or self.on_holiday != "skip":
            return
        zone = ZoneInfo(self.zone)
        moment = after if self.starts_at is None else max(after, self.starts_at - _TICK)
        while limit > 0:
            found = series.after(self.trigger, self.zone, moment)
            if found is None or found > until or (self.ends_at is not None and found > self.ends_at):
                return
            day = found.astimezone(zone).date()
            moment = max(found, instant_of(datetime.combine(day + timedelta(days=1), time()), zone) - _TICK)
            if not self.workdays.is_workday(day):
                limit -= 1
                count = sum(1 for _ in self.skipped(found - _TICK, moment, MAX_COUNTED))
                yield DayOff(found, count, moment, self.workdays.why_off(day))

    def look_at(self, after: datetime, nominal: datetime | None) -> datetime | None:
        """When to look at it, if `nominal` is what follows `after`: when that fires, or on a day off before."""
        if nominal is None:
            return None
        off = next(self.days_off(after, nominal, 1), None)
        return off.nominal_at if off is not None else self.fire_at(nominal)

    def moved(self, base: datetime) -> datetime | None:
        """Where an instant of the trigger goes: itself on a workday, else the same time on the nearest one."""
        assert self.workdays is not None  # noqa: S101
        zone = ZoneInfo(self.zone)
        wall = base.astimezone(zone)
        if self.workdays.is_workday(wall.date()):
            return base
        if self.on_holiday == "skip":
            return None
        day = self.workdays.near(wall.date(), 1 if self.on_holiday == "next_workday" else -1)
        return instant_of(datetime.combine(day, wall.time().replace(fold=0)), zone) if day is not None else None

    def _after_skipping(self, moment: datetime) -> datetime | None:
        assert self.workdays is not None  # noqa: S101
        zone, limit = ZoneInfo(self.zone), moment + HORIZON
        while True:
            found = series.after(self.trigger, self.zone, moment)
            if found is None or found > limit:
                return None
            day = found.astimezone(zone).date()
            if self.workdays.is_workday(day):
                return found
            # Over the whole day at once: a schedule of every second would look at each of its seconds.
            end = instant_of(datetime.combine(day + timedelta(days=1), time()), zone) - _TICK
            moment = max(found, end)

    def _after_moving(self, moment: datetime) -> datetime | None:
        # At most one fire a day is moved (checked when it is saved), so moving keeps their order.
        base, limit = moment - timedelta(days=MAX_MOVE_DAYS + 1), moment + HORIZON
        while True:
            found = series.after(self.trigger, self.zone, base)
            if found is None or found > limit:
                return None
            target = self.moved(found)
            if target is not None and target > moment:
                return target
            base = found


def utc(moment: datetime) -> datetime:
    """The instant in UTC, with whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)
