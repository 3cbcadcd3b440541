"""When a schedule fires, as people write it: five kinds of triggers."""

import json
from datetime import date, datetime, time
from functools import lru_cache
from typing import Annotated, Any, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, field_validator

from riveredge_sdk import Body

MAX_EVERY_S = 366 * 86_400
_NO_OFFSET = "a time on the wall has no offset and no Z: the schedule's zone says where the wall is"
# Any instant will do: only the expression is looked at.
_SOME_DAY = datetime(2026, 1, 1)  # noqa: DTZ001
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# What each field takes, by the name that cronsim gives it.
_EXPECTED = {
    "second": "0 to 59",
    "minute": "0 to 59, for example 30, 0,30 or */15",
    "hour": "0 to 23, for example 9, 9-17 or */2",
    "day-of-month": "1 to 31, L or LW, and a day that its months have",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday), or SUN to SAT, also MON#2 or 5L",
}


def check_expression(expression: str) -> str:
    """The expression, in upper case and with single spaces.

    Raises:
        ValueError: with what is wrong, for people.
    """
    if expression.startswith("@"):
        instead = _NICKNAMES.get(expression.lower())
        hint = f"write {instead!r} instead" if instead else "write five fields"
        raise ValueError(f"nicknames are not taken: {hint}")
    parts = expression.upper().split()
    if len(parts) not in {5, 6}:
        raise ValueError(
            f"expected five fields (minute hour day month weekday), or six with seconds first; got {len(parts)}"
        )
    normal = " ".join(parts)
    try:
        CronSim(normal, _SOME_DAY)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise ValueError(f"the {field} field is not right: {_EXPECTED.get(field, 'see the documentation')}") from None
    return normal


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


class CronTrigger(Body):
    """Five fields of cron: minute, hour, day of month, month, weekday (0 and 7 are Sunday).

    Names (MON, JAN), lists, ranges, steps, `L` (last day, `5L` the last Friday), `LW`, `#` (`MON#2`). Where day of
    month and weekday are both restricted, either is enough, as in Debian's cron. Jobs at fixed times run once where
    clocks jump ahead or fall back; those with a star in minute or hour follow real time. Six fields begin with
    seconds.
    """

    kind: Literal["cron"] = "cron"
    expression: Annotated[
        str, Field(max_length=200, description="For example `30 9 * * MON-FRI`."), AfterValidator(check_expression)
    ]

    @property
    def has_seconds(self) -> bool:
        return len(self.expression.split()) == 6


class IntervalTrigger(Body):
    """Every so many seconds, counted from the anchor: lateness never adds up. "Every 86400" is not "daily at nine"."""

    kind: Literal["interval"] = "interval"
    every_s: Annotated[int, Field(ge=1, le=MAX_EVERY_S, description="Seconds.")]
    anchor: Annotated[
        AwareDatetime | None, Field(description="An instant at which it fires; none: the start, or when it was made.")
    ] = None

    @field_validator("anchor")
    @classmethod
    def _whole_seconds(cls, value: datetime | None) -> datetime | None:
        return value and _whole(value)


class DelayTrigger(Body):
    """So many seconds after the end of the run before, whenever that is."""

    kind: Literal["fixed_delay"] = "fixed_delay"
    every_s: Annotated[int, Field(ge=1, le=MAX_EVERY_S, description="Seconds from end to start.")]


class CalendarTrigger(Body):
    """Every so many days, weeks, months or years at a time on the wall. The 31st is the last day of shorter months."""

    kind: Literal["calendar"] = "calendar"
    every: Annotated[int, Field(ge=1, le=1000)] = 1
    unit: Literal["day", "week", "month", "year"]
    anchor: Annotated[date, Field(description="The first day; later ones are counted from it.")]
    at: Annotated[time, Field(description="The time on the wall, for example 09:30.")]

    @field_validator("at")
    @classmethod
    def _without_zone(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError(_NO_OFFSET)
        return value.replace(microsecond=0)


class DateTrigger(Body):
    """Once, at a date and time on the wall. If clocks show it twice, at the first; if never, at the end of the gap."""

    kind: Literal["date"] = "date"
    at: Annotated[datetime, Field(description="For example 2026-12-24T18:00:00, in the schedule's zone.")]

    @field_validator("at")
    @classmethod
    def _without_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is not None:
            raise ValueError(_NO_OFFSET)
        return _whole(value)


Trigger = CronTrigger | IntervalTrigger | DelayTrigger | CalendarTrigger | DateTrigger
AnyTrigger = Annotated[Trigger, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Trigger] = TypeAdapter(AnyTrigger)


def read_trigger(stored: dict[str, Any]) -> Trigger:
    """A trigger, from its JSON."""
    return _read(json.dumps(stored, sort_keys=True))


# A claim reads thousands of schedules, many of which say the same.
@lru_cache(maxsize=10_000)
def _read(text: str) -> Trigger:
    return _ADAPTER.validate_json(text)


def write_trigger(trigger: Trigger) -> dict[str, Any]:
    """The JSON of a trigger."""
    return trigger.model_dump(mode="json")
