"""Bodies and answers of the routes of rehearsals."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from riveredge_approvals.jobs.schemas import JobOut, Status
from riveredge_sdk import Body

MAX_DAYS = 90
MAX_REQUESTS = 1_000


class RehearseIn(Body):
    """Which requests the draft is rehearsed with: the latest ones that were submitted in a time."""

    begin: Annotated[AwareDatetime, Field(alias="from", description="With it; at most 90 days before `to`.")]
    end: Annotated[AwareDatetime, Field(alias="to", description="Without it.")]
    limit: Annotated[int, Field(ge=1, le=MAX_REQUESTS, description="So many at most.")] = 200

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        if not self.begin < self.end:
            raise ValueError("`to` has to be later than `from`")
        if self.end - self.begin > timedelta(days=MAX_DAYS):
            raise ValueError(f"at most {MAX_DAYS} days can be rehearsed")
        return self


class RehearsalSummary(BaseModel):
    """All requests together."""

    walked: int = 0
    failed: int = Field(default=0, description="Those that could not be walked.")
    differing: int = 0
    in_what: dict[str, int] = Field(
        default_factory=dict,
        description="How many differ in their result, path, people, needs, hours, newly_empty, no_longer_empty.",
    )
    nodes_added: dict[str, int] = Field(default_factory=dict, description="Nodes to which they would come in addition.")
    nodes_removed: dict[str, int] = Field(default_factory=dict, description="Nodes to which they would come no more.")
    people_changed: dict[str, int] = Field(default_factory=dict, description="Nodes on which others would be asked.")
    newly_empty: dict[str, int] = Field(default_factory=dict, description="Nodes for which nobody would be found now.")
    needs: dict[str, int] = Field(default_factory=dict, description="Fields that past forms have no value for.")
    hours_before: float | None = Field(default=None, description="Expected on average on what they ran on.")
    hours_after: float | None = Field(default=None, description="Expected on average on the draft.")


class RehearsalOut(JobOut):
    """A rehearsal."""

    process_id: UUID
    draft_rev: int = Field(description="The revision of the draft that is rehearsed.")
    status: Status
    begin_at: datetime = Field(serialization_alias="from")
    end_at: datetime = Field(serialization_alias="to")
    started_by: UUID | None
    summary: RehearsalSummary = Field(description="Filled at its end.")


class RehearsedOut(BaseModel):
    """One request."""

    seq: int
    instance_id: UUID
    number: str
    differs: bool | None = Field(description="null: not walked yet.")
    outcome: dict[str, Any] = Field(
        description="`before` and `after` (result, path, empty, needs, hours), `differences`, the `version` that it ran"
        " on; or an `error`. People are ids."
    )
