"""Cron expressions: five fields, optionally behind `TZ=<zone>` or `CRON_TZ=<zone>`.

Daylight saving follows cronsim (Debian's cron): a time skipped in spring fires right after the gap, a time repeated in
autumn fires once, and schedules of every hour or minute follow real time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_PREFIX = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A parsed schedule: the fields and the zone they are meant in."""

    fields: str
    zone: tzinfo

    @classmethod
    def parse(cls, text: str) -> CronSchedule:
        """Raises ValueError for anything but five valid fields in a known zone."""
        return _parse(text)

    def next_after(self, instant_ms: int) -> int | None:
        """The first tick later than an instant, in milliseconds; None for a date that never comes."""
        from cronsim import CronSim

        start = datetime.fromtimestamp(instant_ms // 1000, UTC).astimezone(self.zone)
        try:
            tick = next(CronSim(self.fields, start))
        except StopIteration:
            return None
        return (tick.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def _parse(text: str) -> CronSchedule:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from cronsim import CronSim, CronSimError

    if len(text) > 255:
        raise ValueError("a cron schedule has at most 255 characters")
    zone: tzinfo = UTC
    if prefixed := _PREFIX.fullmatch(text.strip()):
        try:
            zone = ZoneInfo(prefixed[1])
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {prefixed[1]!r}") from error
        text = prefixed[2]
    fields = text.strip()
    if len(fields.split()) != 5:
        raise ValueError(f"{fields!r} is not a cron schedule of five fields")
    try:
        CronSim(fields, datetime(2026, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise ValueError(f"{fields!r} is not a cron schedule: {error}") from error
    return CronSchedule(fields, zone)
