"""The document in which schedules travel from one organisation or installation to another."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from riveredge_scheduling.preview_schemas import CalendarIn
from riveredge_scheduling.schemas import Key, TaskIn
from riveredge_sdk import Body


class TaskDocument(TaskIn):
    """A schedule; calendars are named by their keys."""

    calendar_id: Annotated[None, Field(exclude=True)] = None
    calendar: Annotated[Key | None, Field(description="The key of a calendar.")] = None

    @model_validator(mode="after")
    def _named_calendars_count(self) -> "TaskDocument":
        if self.calendar is not None and "on_holiday" not in self.model_fields_set:
            self.on_holiday = "skip"
        return self


class Document(Body):
    """Schedules and calendars. Owners do not travel: whoever imports a schedule owns it."""

    version: Literal[1] = 1
    calendars: Annotated[list[CalendarIn], Field(default_factory=list, max_length=1000)]
    tasks: Annotated[list[TaskDocument], Field(default_factory=list, max_length=10_000)]


class Imported(BaseModel):
    """What became of one entry."""

    kind: Literal["calendar", "task"]
    key: str
    outcome: Literal["created", "changed", "unchanged"]


class ImportOut(BaseModel):
    """What an import did, or would do."""

    dry_run: bool
    items: list[Imported]
