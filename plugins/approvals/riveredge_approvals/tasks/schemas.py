"""Bodies and answers of the routes of tasks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from riveredge_approvals.instances.schemas import SummaryLine
from riveredge_approvals.people.schemas import ChoiceOut
from riveredge_approvals.tasks.signing import SignatureIn
from riveredge_sdk import Body, ListQuery, Resource

Comment = Annotated[str, Field(max_length=4000, description="What is said with it; some nodes demand it.")]


class TaskQuery(ListQuery):
    """Lists of tasks."""

    box: Annotated[
        Literal["todo", "done", "all"],
        Query(description="todo: what I am asked now; done: what I have decided; all: every task of mine."),
    ] = "todo"


class TaskOut(Resource):
    """A task."""

    instance_id: UUID
    visit_id: UUID
    node: str
    assignee_id: UUID
    principal_id: UUID | None = Field(description="For whom the assignee stands in.")
    origin: str
    part: str
    parent_id: UUID | None
    seq: int
    weight: int
    state: str
    reason: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    due_at: datetime | None
    read_at: datetime | None


class TaskLine(TaskOut):
    """A task in a list, with what it is about."""

    number: str
    title: str
    summary: list[SummaryLine]
    submitter_id: UUID


class DecisionOut(BaseModel):
    """What was decided."""

    decided_by: UUID | None
    outcome: str
    comment: str
    via: str
    form_rev: int
    signature: dict[str, Any] | None = Field(description="As it was given, with the hash of what it is under.")
    at: datetime


class TaskDetail(TaskLine):
    """A task, with what can be done with it."""

    label: str
    form: dict[str, Any]
    fields: dict[str, str] = Field(description="What may be done with the form's fields here: read, edit or hidden.")
    allow: list[str] = Field(description="What the reader can do now: approve, reject, return, transfer, …")
    return_targets: list[str]
    comment: str = Field(description="Whether a comment is demanded: never, optional, on_reject or always.")
    signature: str = Field(description="Whether a decision is signed: none, drawn or electronic.")
    decision: DecisionOut | None
    choices: list[ChoiceOut] = Field(description="You choose who is next, with your approval.")


class DecideIn(Body):
    """A decision."""

    comment: Comment = ""
    form: Annotated[
        dict[str, Any] | None, Field(description="Fields that the node lets its people change, with new values.")
    ] = None
    signature: Annotated[
        SignatureIn | None, Field(description="Where the node demands one: drawn, or electronic by a ticket.")
    ] = None
    choices: Annotated[
        dict[str, Annotated[list[UUID], Field(max_length=100)]] | None,
        Field(
            max_length=50, description="By node: whom one chooses to decide there, where the task's `choices` ask it."
        ),
    ] = None


class ReturnIn(Body):
    """Back to whom."""

    to: Annotated[
        str | None, Field(max_length=64, description="A node of `return_targets`; the submitter if left out.")
    ] = None
    comment: Comment = ""


class HandOnIn(Body):
    """To whom."""

    to: UUID
    comment: Comment = ""


class RecallIn(Body):
    """Why a decision is taken back."""

    reason: Annotated[str, Field(max_length=500, description="For the history.")] = ""


class AddSignersIn(Body):
    """Whom else to ask."""

    users: Annotated[list[UUID], Field(min_length=1, max_length=20)]
    where: Annotated[
        Literal["before", "after", "parallel"],
        Field(
            description="before: then it comes back to me; after: the node passes only with theirs; parallel: beside."
        ),
    ]
    mode: Annotated[
        Literal["any", "all", "sequential"], Field(description="How those before or after decide together.")
    ] = "all"
    comment: Comment = ""


class RemoveSignerIn(Body):
    """Whom to take off."""

    task_id: Annotated[UUID, Field(description="The task of somebody whom one has added.")]
    comment: Comment = ""


class AddedOut(BaseModel):
    """The new tasks."""

    items: list[TaskOut]


class BulkIn(Body):
    """Decisions on many tasks, each by itself."""

    action: Literal["approve", "reject", "abstain"]
    task_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    comment: Comment = ""


class BulkLine(BaseModel):
    """What became of one of them."""

    task_id: UUID
    done: bool
    status: int = Field(description="As the single request would have been answered.")
    problem: dict[str, Any] | None = None


class BulkOut(BaseModel):
    """What became of each."""

    items: list[BulkLine]
