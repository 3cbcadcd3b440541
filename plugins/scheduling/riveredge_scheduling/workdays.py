"""Which days count: weekends, holidays, and weekends on which people work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

OnHoliday = Literal["ignore", "skip", "next_workday", "previous_workday"]
# So far a fire is moved; where nobody works for longer, it is skipped.
MAX_MOVE_DAYS = 31


@dataclass(frozen=True, slots=True)
class Workdays:
    """A calendar. `weekdays` by ISO number (Monday is 1); `yearly` holidays by month and day."""

    weekdays: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    holidays: Mapping[date, str] = field(default_factory=dict)
    yearly: Mapping[tuple[int, int], str] = field(default_factory=dict)
    extra: frozenset[date] = frozenset()

    def is_workday(self, day: date) -> bool:
        if day in self.extra:
            return True
        return day.isoweekday() in self.weekdays and self.holiday(day) is None

    def holiday(self, day: date) -> str | None:
        """The holiday's name, if it is one."""
        return self.holidays.get(day) or self.yearly.get((day.month, day.day))

    def why_off(self, day: date) -> str:
        """The holiday's name; empty for a weekend."""
        return self.holiday(day) or ""

    def near(self, day: date, step: Literal[1, -1]) -> date | None:
        """The nearest workday from `day` on in one direction, itself included; None if there is none near."""
        for _ in range(MAX_MOVE_DAYS + 1):
            if self.is_workday(day):
                return day
            day += timedelta(days=step)
        return None


def read_workdays(weekdays: list[int], days: list[dict[str, Any]]) -> Workdays:
    """A calendar from its row: `days` with `date`, `name`, `kind` (holiday or workday) and `yearly`."""
    holidays: dict[date, str] = {}
    yearly: dict[tuple[int, int], str] = {}
    extra: set[date] = set()
    for each in days:
        day = date.fromisoformat(each["date"])
        if each["kind"] == "workday":
            extra.add(day)
        elif each["yearly"]:
            yearly[day.month, day.day] = each["name"] or "holiday"
        else:
            holidays[day] = each["name"] or "holiday"
    return Workdays(frozenset(weekdays), holidays, yearly, frozenset(extra))
