"""Bodies and answers of the routes that look ahead."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.foresight.walking import Outcome
from riveredge_approvals.instances.branching import BranchLook
from riveredge_approvals.instances.schemas import SubjectIn
from riveredge_approvals.people.schemas import PersonRef, Said
from riveredge_sdk import Body

Hours = Annotated[float | None, Field(description="By the median of requests of the past; null without any.")]


class PreviewIn(Body):
    """A request that is not submitted yet. Nothing of it is kept, and nobody is told."""

    form: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="As far as it is filled in; the defaults of the form are added."),
    ]
    subject: Annotated[
        SubjectIn | None,
        Field(description="The record that it would be about: what it says of the form's fields counts."),
    ] = None
    submitter: Annotated[
        UUID | None, Field(description="Whose request it would be; another than oneself for who draws processes.")
    ] = None
    department: Annotated[UUID | None, Field(description="Of the submitter's; her main one if left out.")] = None
    choices: Annotated[
        dict[str, Annotated[list[UUID], Field(max_length=100)]],
        Field(default_factory=dict, max_length=50, description="By node: whom the submitter, or somebody, chooses."),
    ]
    outcomes: Annotated[
        dict[str, Outcome],
        Field(
            default_factory=dict,
            max_length=300,
            description="By node: `rejected`, or `failed` for what is done outside, the first time. Else approved.",
        ),
    ]
    draft: Annotated[bool, Field(description="The draft instead of what is published; for who sees processes.")] = False
    version: Annotated[
        int | None, Field(ge=1, le=2**31 - 1, description="Another version than the published one; likewise.")
    ] = None


class ExpectedPerson(PersonRef):
    """Somebody who would be asked."""

    for_user: PersonRef | None = Field(description="For whom she would stand in.")
    weight: int
    asked: bool = Field(description="False: she has approved before by then, and need not be asked again.")
    why: Said
    trace: list[dict[str, Any]] = Field(description="What the sentences were made of.")


class ChoiceDue(BaseModel):
    """Somebody says who decides, and has not yet."""

    by: str = Field(description="`initiator`, or the node on which it is chosen.")
    min: int
    max: int


class Question(BaseModel):
    """What has to be known to say how it goes on."""

    needs: str = Field(description="The field: `form.amount`, or `choices.mgr`.")
    node: str | None
    message: str = Field(description="In the language of whoever asks.")


class Step(BaseModel):
    """One node on the way."""

    node: str
    label: str
    kind: str = Field(
        description="start, approver, handler, cc, choice, parallel, inclusive, join, delay, effect, subflow or end."
    )
    visit: int = Field(description="2 where it comes back to the node.")
    region: list[tuple[str, int]] = Field(description="The forks around it, each with the number of the branch.")
    status: Literal["passed", "rejected", "failed", "skipped", "cancelled", "stuck", "open"] = Field(
        description="What would become of it. stuck: it waits for an administrator, or nobody knows how it goes on;"
        " open: others are awaited."
    )
    mode: str | None = Field(description="How its people decide together.")
    people: list[ExpectedPerson] = Field(description="Who would be asked, or told; the first 100.")
    count: int = Field(description="How many they are.")
    unresolved: bool = Field(description="Nobody was found whom the step is for.")
    choice: ChoiceDue | None
    notes: Said
    warnings: Said
    branches: list[BranchLook]
    does: str | None = Field(description="What would be done outside, and is not: `webhook`, or a subflow's process.")
    starts_after_hours: Hours
    expected_hours: Hours


class PreviewOut(BaseModel):
    """The way that a request would take, as the organisation is now."""

    process: str
    version: int
    draft: bool
    submitter: PersonRef
    department: UUID | None
    result: Literal["approved", "rejected", "returned", "unknown"] = Field(
        description="returned: it comes back to its submitter; unknown: see `questions`."
    )
    steps: list[Step]
    questions: list[Question]
    unresolved: list[str] = Field(description="Nodes for which nobody was found.")
    warnings: Said
    expected_hours: Hours
