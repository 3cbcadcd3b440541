"""Bodies and answers of previews and calendars."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from riveredge_scheduling.schemas import Key, Zone
from riveredge_scheduling.triggers import AnyTrigger
from riveredge_scheduling.workdays import OnHoliday
from riveredge_sdk import Body, Resource

MAX_PREVIEW = 100


class PreviewIn(Body):
    """A plan that need not be saved."""

    trigger: AnyTrigger
    zone: Zone | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    calendar_id: UUID | None = None
    on_holiday: OnHoliday = "ignore"
    jitter_s: Annotated[int, Field(ge=0, le=3600)] = 0
    after: Annotated[AwareDatetime | None, Field(description="Look from this instant on; none: from now.")] = None
    count: Annotated[int, Field(ge=1, le=MAX_PREVIEW, description="So many fires.")] = 10

    @model_validator(mode="after")
    def _calendars_count(self) -> "PreviewIn":
        if self.calendar_id is not None and "on_holiday" not in self.model_fields_set:
            self.on_holiday = "skip"
        return self


class Note(BaseModel):
    """What is special about an instant."""

    code: str
    text: str


class Occurrence(BaseModel):
    """One instant of a plan. `fires` is false for what falls on a day off and is skipped."""

    nominal_at: datetime
    fire_at: Annotated[datetime, Field(description="With jitter.")]
    local: Annotated[str, Field(description="The nominal time on the wall, with its offset.")]
    weekday: Annotated[int, Field(description="ISO number: Monday is 1.")]
    fires: bool
    notes: list[Note]


class PreviewOut(BaseModel):
    """The next instants, and what to think of before saving."""

    zone: str
    items: list[Occurrence]
    min_gap_s: Annotated[int | None, Field(description="The least time between two fires.")]
    warnings: list[Note]


class Day(Body):
    """A holiday, or a day of a weekend on which people work."""

    date: date
    name: Annotated[str, Field(max_length=100)] = ""
    kind: Literal["holiday", "workday"] = "holiday"
    yearly: Annotated[bool, Field(description="Every year on this day; of holidays only.")] = False

    @model_validator(mode="after")
    def _check(self) -> "Day":
        if self.yearly and self.kind == "workday":
            raise ValueError("only holidays come every year; name working weekends one by one")
        return self


Weekday = Annotated[int, Field(ge=1, le=7)]
Days = Annotated[list[Day], Field(max_length=2000)]


class CalendarIn(Body):
    """A calendar. Working weekends (`workday`) count for more than weekends and holidays."""

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=200)]
    weekdays: Annotated[
        list[Weekday],
        Field(
            default_factory=lambda: [1, 2, 3, 4, 5], max_length=7, description="Workdays by ISO number: Monday is 1."
        ),
    ]
    days: Annotated[list[Day], Field(default_factory=list, max_length=2000)]


class CalendarChange(Body):
    """What may change about a calendar."""

    key: Key | None = None
    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    weekdays: Annotated[list[Weekday], Field(max_length=7)] | None = None
    days: Days | None = None


class CalendarOut(Resource):
    """A calendar."""

    key: str
    title: str
    weekdays: list[int]
    days: list[Day]
