"""Quiet hours: times of the week, on the wall clock of the reader, in which nothing is to disturb them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Windows that follow each other are one time of quiet; more than these in a row are a mistake.
_MAX_CHAIN = 10


@dataclass(frozen=True, slots=True)
class Window:
    """Quiet from one time of the day until another, on the ISO weekdays on which it begins. It may cross midnight;
    equal times are a whole day."""

    begins: time
    ends: time
    days: frozenset[int] = frozenset(range(1, 8))


def quiet_until(windows: Sequence[Window], zone: str, now: datetime) -> datetime | None:
    """When the quiet that holds at `now` is over, in UTC; None if nothing is quiet.

    Clocks that are put forward or back are followed on the wall: a window that ends at a time which comes twice ends at
    the first, and one whose end does not exist ends when the clocks have jumped.
    """
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        place = ZoneInfo("UTC")
    until = None
    moment = now
    for _ in range(_MAX_CHAIN):
        ends = [end for window in windows if (end := _end(window, place, moment)) is not None]
        if not ends:
            break
        until = moment = max(ends)
    return until


def _end(window: Window, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end of the window that holds `now`, in UTC."""
    wall = now.astimezone(zone)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        if day.isoweekday() not in window.days:
            continue
        last = day if window.begins < window.ends else day + timedelta(days=1)
        begins = _instant(datetime.combine(day, window.begins), zone)
        ends = _instant(datetime.combine(last, window.ends), zone)
        if begins <= now < ends:
            return ends
    return None


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which a wall shows this first; where it never does, that of the jump over it."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Read with the offset after the jump it lies before the jump, and so far as the wall time lies behind its start.
    before, after = wall.replace(tzinfo=zone, fold=0).utcoffset(), wall.replace(tzinfo=zone, fold=1).utcoffset()
    assert before is not None  # noqa: S101  (an aware time has an offset)
    assert after is not None  # noqa: S101
    low, high = first - (after - before), first
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    # Clocks jump at whole minutes.
    return high.replace(second=0, microsecond=0)
