"""Bodies and answers of schedules."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationInfo, computed_field, field_validator, model_validator

from riveredge_scheduling.texts import is_known, sentence
from riveredge_scheduling.triggers import AnyTrigger
from riveredge_scheduling.workdays import OnHoliday
from riveredge_sdk import Body, Resource, current_context

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=100)]
Overlap = Literal["skip", "allow", "buffer_one", "buffer_all", "cancel_previous"]
CatchUp = Literal["skip", "fire_once", "fire_all"]
Zone = Annotated[str, Field(max_length=64, description="IANA name, for example Europe/Berlin.")]


class _Settable(Body):
    """What may be said about a schedule, with its defaults."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    action: Annotated[str, Field(max_length=100, description="The id of an action, see /actions.")]
    params: Annotated[
        dict[str, Any], Field(default_factory=dict, description="The action's parameters, as its schema says.")
    ]
    trigger: AnyTrigger
    zone: Annotated[Zone | None, Field(description="IANA name; none: the organisation's.")] = None
    starts_at: Annotated[AwareDatetime | None, Field(description="Nothing fires before.")] = None
    ends_at: Annotated[AwareDatetime | None, Field(description="Nothing fires after.")] = None
    max_runs: Annotated[int | None, Field(ge=1, le=1_000_000, description="Then it is completed.")] = None
    calendar_id: Annotated[UUID | None, Field(description="Whose holidays count.")] = None
    on_holiday: Annotated[
        OnHoliday, Field(description="What happens to fires on days off. With a calendar, skip unless said otherwise.")
    ] = "ignore"
    jitter_s: Annotated[
        int, Field(ge=0, le=3600, description="Spread starts over so many seconds, the same at each repetition.")
    ] = 0
    overlap: Annotated[Overlap, Field(description="If the run before is still going when the next one starts.")] = (
        "skip"
    )
    buffer_max: Annotated[int, Field(ge=1, le=1000, description="Of buffer_all: so many may wait.")] = 10
    catch_up: Annotated[CatchUp, Field(description="Of fires that were missed while nothing ran.")] = "fire_once"
    catch_up_max: Annotated[int, Field(ge=1, le=1000, description="Of fire_all: the latest so many.")] = 10
    catch_up_window_s: Annotated[int, Field(ge=10, le=366 * 86_400, description="Of fire_all: none older.")] = 86_400
    misfire_grace_s: Annotated[int, Field(ge=1, le=86_400, description="So late a fire still counts as on time.")] = 60
    retries: Annotated[int | None, Field(ge=0, le=20, description="After the first attempt; none: the action's.")] = (
        None
    )
    retry_delay_s: Annotated[int, Field(ge=1, le=3600, description="To the first retry; doubled for each more.")] = 30
    timeout_s: Annotated[int | None, Field(ge=1, le=3600, description="For one attempt; none: the action's.")] = None
    pause_after_failures: Annotated[int | None, Field(ge=1, le=1000, description="One after the other.")] = None
    alarm_to: Annotated[
        list[UUID], Field(default_factory=list, max_length=50, description="User ids; none: the owner.")
    ]
    alarm_after_failures: Annotated[int | None, Field(ge=1, le=1000, description="Alarm after so many.")] = None
    alarm_late_s: Annotated[int | None, Field(ge=1, le=86_400, description="Alarm if a run starts later.")] = None
    expect_success_within_s: Annotated[
        int | None, Field(ge=60, le=366 * 86_400, description="Alarm if no run succeeds for so long.")
    ] = None


class TaskIn(_Settable):
    """A new schedule. Whoever makes it is its owner: it runs with their permissions."""

    key: Annotated[Key, Field(description="Unique in the organisation; your own id of it.")]
    paused: Annotated[bool, Field(description="Make it, but do not let it fire yet.")] = False

    @model_validator(mode="after")
    def _calendars_count(self) -> "TaskIn":
        if self.calendar_id is not None and "on_holiday" not in self.model_fields_set:
            self.on_holiday = "skip"
        return self


class TaskChange(_Settable):
    """What may change. What is left out stays; null clears what can be absent."""

    nullable: ClassVar[frozenset[str]] = frozenset(
        {
            "starts_at",
            "ends_at",
            "max_runs",
            "calendar_id",
            "retries",
            "timeout_s",
            "pause_after_failures",
            "alarm_after_failures",
            "alarm_late_s",
            "expect_success_within_s",
        }
    )

    key: Key = ""
    title: Annotated[str, Field(min_length=1, max_length=200)] = ""
    action: Annotated[str, Field(max_length=100)] = ""
    trigger: AnyTrigger | None = None  # type: ignore[assignment]
    take_over: Annotated[bool, Field(description="Become its owner: it runs with your permissions from now on.")] = (
        False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_nulls(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.nullable:
            raise ValueError("cannot be null; leave it out to keep it")
        return value

    def changes(self) -> dict[str, Any]:
        """What the client sent, nulls included."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "take_over"}


class TaskOut(Resource):
    """A schedule and where it stands."""

    key: str
    title: str
    description: str
    status: str
    action: str
    params: dict[str, Any]
    owner_id: UUID | None
    trigger: dict[str, Any]
    zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    max_runs: int | None
    calendar_id: UUID | None
    on_holiday: str
    jitter_s: int
    overlap: str
    buffer_max: int
    catch_up: str
    catch_up_max: int
    catch_up_window_s: int
    misfire_grace_s: int
    retries: int | None
    retry_delay_s: int
    timeout_s: int | None
    pause_after_failures: int | None
    alarm_to: list[UUID]
    alarm_after_failures: int | None
    alarm_late_s: int | None
    expect_success_within_s: int | None
    revision: int
    next_fire_at: Annotated[
        datetime | None, Field(description="When it fires next, with jitter; none: nothing is about to.")
    ]
    next_nominal_at: Annotated[
        datetime | None,
        Field(description="The next instant of the plan that has no fire yet: fires are made up to 90 s ahead."),
    ]
    last_nominal_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    runs: int
    failures: Annotated[int, Field(description="One after the other, since the last success.")]
    paused_at: datetime | None
    paused_by: UUID | None
    pause_reason: Annotated[str | None, Field(description="requested, failures or owner.")]
    pause_note: str | None
    resumed_at: Annotated[datetime | None, Field(description="When it last began to fire again.")]
    resumed_by: UUID | None
    resume_note: str | None


class NoteIn(Body):
    """Why, for whoever looks at it next."""

    note: Annotated[str, Field(max_length=500)] = ""


class FireOut(Resource):
    """One instant of a plan, and what became of it."""

    task_id: UUID
    task_key: str
    action: str
    kind: str
    batch: str
    revision: int
    nominal_at: datetime
    fire_at: datetime
    state: str
    reason: Annotated[str | None, Field(description="A code; `why` is the sentence.")]
    blocked_by: Annotated[UUID | None, Field(description="The fire that was in the way.")]
    missed_count: Annotated[int, Field(description="Earlier instants that this one stands for as well.")]
    attempt: int
    run_id: Annotated[
        str | None,
        Field(description="See /api/v1/runs; of transactional actions, a run that many organisations share."),
    ]
    started_at: datetime | None
    finished_at: datetime | None
    params: dict[str, Any] | None
    result: Any
    error: str | None
    requested_by: UUID | None
    details: Annotated[dict[str, Any] | None, Field(exclude=True)] = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def why(self) -> str | None:
        """Why it did not run, or what it waits for, in a sentence."""
        if self.reason is None or not is_known(self.reason):
            return None
        return sentence(self.reason, current_context().locale, self.details)


class RunIn(Body):
    """Run it now. The next planned fire stays as it is."""

    params: Annotated[
        dict[str, Any] | None, Field(description="Instead of the schedule's, for this run; none: the schedule's.")
    ] = None


class BackfillIn(Body):
    """A range of the past whose fires are to run now."""

    start: Annotated[AwareDatetime, Field(description="From this instant on.")]
    end: Annotated[AwareDatetime, Field(description="Up to this instant, which is not in the future.")]
    overlap: Annotated[Overlap, Field(description="Among these fires, instead of the schedule's policy.")] = (
        "buffer_all"
    )


class BackfillOut(BaseModel):
    """What a backfill does, or would do."""

    batch: Annotated[str | None, Field(description="Filter fires by it; none: only looked at.")]
    count: int
    limit: int
    first: list[datetime]
    last: datetime | None


class ActionOut(BaseModel):
    """Something that schedules can run."""

    id: str
    title: str
    description: str
    permission: str | None
    allowed: Annotated[bool, Field(description="Whether you may choose it.")]
    idempotency: str
    retries: int
    timeout_s: float
    params_schema: Annotated[dict[str, Any], Field(description="JSON Schema of its parameters: the form.")]


class Statistics(BaseModel):
    """Fires of a time, counted: of one schedule, or of all. Seconds; none where nothing ran."""

    since: datetime
    states: dict[str, int]
    success_rate: float | None
    lateness_p50_s: float | None
    lateness_p95_s: float | None
    lateness_max_s: float | None
    duration_p50_s: float | None
    duration_p95_s: float | None
    duration_max_s: float | None


class Overview(Statistics):
    """How all schedules of the organisation are doing."""

    schedules: Annotated[dict[str, int], Field(description="How many there are, by status.")]
    failing: Annotated[int, Field(description="How many have failed the last time.")]
