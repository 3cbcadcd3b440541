"""Tells other plugins on which days people work. Implements the WORKDAYS port."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlmodel import col

from riveredge_scheduling.models import Calendar
from riveredge_scheduling.planning import workdays_of
from riveredge_scheduling.repository import Calendars


class CalendarDays:
    """See `riveredge_sdk.features.scheduling.Workdays`."""

    async def between(self, calendar: str, first: date, last: date) -> Sequence[date]:
        """The workdays of a calendar, by its key."""
        row = await Calendars().find(col(Calendar.key) == calendar)
        if row is None:
            raise LookupError(f"there is no calendar {calendar!r}")
        workdays = workdays_of(row)
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [day for day in days if workdays.is_workday(day)]
