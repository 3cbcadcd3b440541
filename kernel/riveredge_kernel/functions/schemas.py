"""Bodies and answers of `/api/v1/runs`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from riveredge_sdk.http import Body, Resource

Seconds = Annotated[float | None, Field(description="How long it took; null while it runs.")]


class SubjectOut(BaseModel):
    """The object that a run serves."""

    type: str
    id: str


class RunOut(BaseModel):
    """A run of a durable function."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str
    function: str
    subject: SubjectOut | None
    event_id: UUID | None
    event_name: str
    request_id: str
    trace_id: Annotated[str | None, Field(description="Its trace, where the installation keeps traces.")]
    status: Annotated[str, Field(description="running, completed, failed, cancelled, or lost by the engine.")]
    attempt: int
    step: str | None
    error: str | None
    started_at: datetime
    ended_at: datetime | None
    seconds: Seconds
    rerun_of: Annotated[str | None, Field(description="The run that this one repeats.")]
    rerun_at: Annotated[datetime | None, Field(description="When it was last repeated.")]


class StepOut(BaseModel):
    """A step of a run, with its last attempt. One that is waited at is `running`."""

    model_config = ConfigDict(from_attributes=True)

    step: str
    status: str
    attempt: int
    error: str | None
    started_at: datetime
    ended_at: datetime | None
    seconds: Seconds


class RunDetail(RunOut):
    """A run with its steps, in the order they began."""

    steps: list[StepOut]


class RepeatOut(BaseModel):
    """A run is to be repeated. The new one has this as its `event_id`, and the old one as its `rerun_of`."""

    run_id: str
    event_id: UUID


class RerunIn(Body):
    """Which failed runs to repeat."""

    filter: Annotated[
        str | None,
        Field(max_length=10_000, description="As in the list of runs. Failed and lost ones only, whatever it says."),
    ] = None
    cap: Annotated[int, Field(ge=1, le=10_000, description="At most so many; the oldest first.")] = 1000


class RerunOut(Resource):
    """Failed runs that are repeated together, and how far that has come."""

    filter: str | None
    cap: int
    status: Annotated[str, Field(description="running or completed.")]
    found: Annotated[int, Field(description="Runs to repeat when it began, up to the cap.")]
    repeated: int
    skipped: Annotated[int, Field(description="Runs whose event is not kept, or that take each event once.")]
    requested_by_id: UUID | None
    ended_at: datetime | None
