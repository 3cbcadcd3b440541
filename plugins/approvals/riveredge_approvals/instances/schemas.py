"""Bodies and answers of the routes of requests."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.instances.diagram import EdgeMark, NodeMark
from riveredge_approvals.people.schemas import ChoiceOut
from riveredge_sdk import Body, Resource

Choices = Annotated[dict[str, Annotated[list[UUID], Field(max_length=100)]], Field(default_factory=dict, max_length=50)]
Reason = Annotated[str, Field(default="", max_length=500, description="Why: kept in the history.")]


class SubjectIn(Body):
    """The record that is to be approved."""

    type: Annotated[str, Field(min_length=3, max_length=100, description="As a plugin names it: `orders.order`.")]
    id: Annotated[str, Field(min_length=1, max_length=100)]


class InstanceIn(Body):
    """A request to submit."""

    process: Annotated[str, Field(min_length=1, max_length=100, description="Key or id of a published process.")]
    form: Annotated[dict[str, Any], Field(default_factory=dict, description="What the form of the process asks for.")]
    subject: SubjectIn | None = None
    department: Annotated[
        UUID | None, Field(description="From which of her departments the submitter asks; her main one if left out.")
    ] = None
    choices: Annotated[Choices, Field(description="By node: whom the submitter chooses, where the process lets her.")]


class SummaryLine(BaseModel):
    """A field that lists show."""

    field: str
    title: str
    value: str


class InstanceOut(Resource):
    """A request."""

    process_id: UUID
    version_id: UUID
    number: str
    title: str
    summary: list[SummaryLine]
    status: Literal["draft", "running", "suspended", "approved", "rejected", "withdrawn", "terminated", "revoked"]
    outcome_note: str
    submitter_id: UUID
    department_id: UUID | None
    subject_type: str | None
    subject_id: str | None
    form_rev: int
    rev: int = Field(description="Counts what has happened; the stream names it.")
    parent_id: UUID | None
    run_id: str | None = Field(description="The durable run that watches over it, as in /api/v1/runs.")
    submitted_at: datetime | None
    finished_at: datetime | None


class InstanceDetail(InstanceOut):
    """A request with its form, as far as the reader may see it."""

    form: dict[str, Any]
    my_tasks: list[UUID] = Field(description="What the reader is asked about it now.")
    may: list[str] = Field(description="What the reader can do with it now: withdraw, resubmit, revoke, urge, …")
    choices: list[ChoiceOut] = Field(description="Whom its submitter chooses, while it is back with her.")


class ResubmitIn(Body):
    """The form as it is to be, and who is to decide; without them, as it was."""

    form: Annotated[dict[str, Any] | None, Field(description="The fields that change.")] = None
    choices: Annotated[
        Choices, Field(description="By node: whom the submitter chooses instead of those she chose before.")
    ]


class ReasonIn(Body):
    """Why."""

    reason: Reason


class JumpIn(Body):
    """Where to."""

    to: Annotated[str, Field(min_length=1, max_length=64, description="A node of the drawing.")]
    reason: Reason


class MendIn(Body):
    """Which incident, and how."""

    node: Annotated[str | None, Field(max_length=64, description="The node; all incidents if left out.")] = None
    skip: Annotated[bool, Field(description="Pass over it instead of trying again.")] = False
    reason: Reason


class DiagramOut(BaseModel):
    """The drawing, and how far the request has come on it."""

    instance_id: UUID
    number: str
    status: str
    rev: int
    seq: int = Field(description="The line of the history after which it stood so.")
    version: int
    diagram: dict[str, Any]
    nodes: list[NodeMark]
    edges: list[EdgeMark]


class HistoryOut(BaseModel):
    """One line of the history. `hash` covers it and the line before; see /history/verification."""

    seq: int
    kind: str
    at: datetime
    actor_id: UUID | None
    node: str | None
    visit_id: UUID | None
    task_id: UUID | None
    data: dict[str, Any]
    prev_hash: str
    hash: str


class VerificationOut(BaseModel):
    """Whether the history is what it was."""

    intact: bool
    entries: int
    head: str = Field(description="The hash of the last entry: keep it elsewhere to prove the whole history later.")
    broken_at: int | None = Field(description="The first entry that was changed, or is missing.")


class StatisticsLine(BaseModel):
    """How many requests of a process stand so."""

    process_id: UUID
    status: str
    count: int


class StatisticsOut(BaseModel):
    """All requests of the organisation, counted."""

    items: list[StatisticsLine]
