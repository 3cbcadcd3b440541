"""Bodies and answers of the routes by which administrators hand tasks over."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from riveredge_approvals.jobs.schemas import JobOut, Status
from riveredge_sdk import Body

State = Literal["waiting", "done", "refused"]


class HandoverIn(Body):
    """Whose open tasks go to whom."""

    user_id: Annotated[UUID, Field(description="Whose tasks; she may have left.")]
    to_id: Annotated[
        UUID | None, Field(description="Who is asked instead; null: whom the rule of each node finds beside her.")
    ] = None
    process_id: Annotated[UUID | None, Field(description="Only tasks of this process.")] = None
    reason: Annotated[str, Field(max_length=500, description="Is kept with the handover.")] = ""


class HandoverLine(BaseModel):
    """One task."""

    model_config = ConfigDict(from_attributes=True)

    task_id: UUID
    instance_id: UUID
    number: Annotated[str, Field(description="The request's.")]
    title: str
    node: str
    state: Annotated[State, Field(description="`waiting`: not come to it yet; of a dry run, what would become of it.")]
    to_ids: Annotated[list[UUID], Field(description="Who is asked instead.")]
    message: Annotated[str, Field(description="Why it was refused.")]


class HandoverPreview(BaseModel):
    """What a handover would do now."""

    items: list[HandoverLine]


class HandoverOut(JobOut):
    """Tasks that were handed over, or are being."""

    user_id: UUID
    to_id: UUID | None
    process_id: UUID | None
    reason: str
    created_by: Annotated[UUID | None, Field(validation_alias="started_by")]
    created_at: datetime
    status: Status
    done: Annotated[int, Field(validation_alias="handed", description="How many tasks were handed over.")]
    refused: Annotated[int, Field(validation_alias="kept", description="How many were not; the items say why.")]
    waiting: Annotated[int, Field(description="How many it has not come to.")]


class ItemsQuery(BaseModel):
    """Of the tasks of a handover."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[UUID | None, Field(description="`next` of the page before.")] = None
    state: Annotated[State | None, Field(description="Only those of which this came.")] = None
