"""Time in which people work: when so many seconds of it will have passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from riveredge_approvals.ir.document import Clock
from riveredge_approvals.settings import ApprovalsTenantSettings, read_spans
from riveredge_sdk import current_context, find_service, tenant_settings
from riveredge_sdk.features.scheduling import WORKDAYS

log = structlog.get_logger(__name__)

# Days are asked for in portions; after so many without an end, the calendar is taken to have no workdays.
_PORTION = 62
_MAX_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The hours of each workday, as times on the wall in a zone."""

    spans: Sequence[tuple[time, time]]
    zone: ZoneInfo

    def on(self, day: date) -> list[tuple[datetime, datetime]]:
        """The hours of a day as instants. Where clocks jump, an hour that there is not counts nothing."""
        return [(self._instant(day, begin), self._instant(day, end)) for begin, end in self.spans]

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, tzinfo=self.zone).astimezone(UTC)


async def due_at(start: datetime, seconds: int, clock: Clock, calendar: str | None = None) -> datetime:
    """When `seconds` will have passed since `start`, on the clock on the wall or in working time.

    Inside a unit of work.

    Args:
        calendar: the key of a calendar of the scheduling plugin; None: the one of the tenant's settings.
    """
    if clock == "calendar":
        return start + timedelta(seconds=seconds)
    settings = await tenant_settings(ApprovalsTenantSettings)
    zone = ZoneInfo(settings.zone or current_context().timezone)
    hours = WorkingHours(read_spans(settings.working_hours), zone)
    left = timedelta(seconds=seconds)
    first = start.astimezone(zone).date()
    for offset in range(0, _MAX_DAYS, _PORTION):
        begin = first + timedelta(days=offset)
        for day in await _workdays(calendar or settings.calendar, begin, begin + timedelta(days=_PORTION - 1)):
            for opens, closes in hours.on(day):
                available = closes - max(opens, start)
                if timedelta(0) < available and left <= available:
                    return max(opens, start) + left
                left -= max(available, timedelta(0))
    log.warning("no working time in the calendar", calendar=calendar or settings.calendar)
    return start + timedelta(seconds=seconds)


async def _workdays(calendar: str, first: date, last: date) -> Sequence[date]:
    """Those of the calendar; Monday to Friday where there is none."""
    workdays = find_service(WORKDAYS) if calendar else None
    if workdays is not None:
        try:
            return await workdays.between(calendar, first, last)
        except LookupError:
            log.warning("the calendar of approvals is gone", calendar=calendar)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.isoweekday() <= 5]
