"""Wall time and instants: what a clock on a wall shows, and when that is."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata

from riveredge_sdk.problems import invalid_field

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone that is known here."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime"}


def check_zone(name: str, *, field: str = "zone") -> str:
    """The zone's name.

    Raises:
        Invalid: there is no such zone.
    """
    if name not in zone_names():
        raise invalid_field(
            field, f"There is no time zone {name[:64]!r}; use an IANA name such as Europe/Berlin.", "zone"
        )
    return name


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock in `zone` shows `wall` (naive): at the first time if twice; at the end of the gap if never."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # The clock jumps over it. Of the two readings one lies before and one behind the jump: look for it between them.
    before, behind = sorted((first, wall.replace(tzinfo=zone, fold=1).astimezone(UTC)))
    offset = before.astimezone(zone).utcoffset()
    while behind - before > _SECOND:
        middle = (before + (behind - before) / 2).replace(microsecond=0)
        if middle <= before:
            break
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            behind = middle
    return behind


def is_missing(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks in `zone` never show `wall`."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall


def is_repeated(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether clocks in `zone` show the time of `instant` twice that night."""
    wall = instant.astimezone(zone).replace(tzinfo=None)
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first != second and not is_missing(wall, zone)


def jumped_over(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    """How far clocks jump ahead exactly at `instant`; None if they do not."""
    before, at = ((instant - step).astimezone(zone).utcoffset() for step in (_SECOND, timedelta(0)))
    return at - before if before is not None and at is not None and at > before else None


@lru_cache(maxsize=1)
def rules_version() -> str:
    """The release of the time zone rules that are in use here, for example `2026f`."""
    for directory in zoneinfo.TZPATH:
        source = Path(directory) / "tzdata.zi"
        if source.is_file():
            with source.open(encoding="utf-8") as lines:
                return lines.readline().removeprefix("# version").strip()[:20]
    return str(tzdata.IANA_VERSION)
