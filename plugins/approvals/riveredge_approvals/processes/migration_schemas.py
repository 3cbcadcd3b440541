"""Bodies and answers of the routes that move requests to another version."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.jobs.schemas import JobOut, Status
from riveredge_sdk import Body, Resource

NodeId = Annotated[str, Field(max_length=64)]


class MigrationIn(Body):
    """From which version to which, and what nodes are called there."""

    source: Annotated[int, Field(alias="from", ge=1, description="The version that they run on.")]
    target: Annotated[int, Field(alias="to", ge=1, description="The version that they are to run on.")]
    names: Annotated[
        dict[NodeId, NodeId],
        Field(
            alias="map",
            default_factory=dict,
            max_length=300,
            description="New ids of nodes by their old ones; others keep theirs.",
        ),
    ]
    dry_run: Annotated[bool, Field(description="Only say what would become of each request.")] = True


class MigrationOut(JobOut):
    """How far a migration is."""

    process_id: UUID
    source: int = Field(serialization_alias="from")
    target: int = Field(serialization_alias="to")
    names: dict[str, str] = Field(serialization_alias="map")
    dry_run: bool
    state: Annotated[Status, Field(validation_alias="status")]
    kept: int = Field(description="How many stay, or would.")
    requested_by: Annotated[UUID | None, Field(validation_alias="started_by")]


class PlaceOut(BaseModel):
    """Where a request stands."""

    node: str
    to: str | None = Field(description="Its node in the other version; null if it has none.")
    anew: bool = Field(description="People are asked again there, for they decide together otherwise.")
    why: str = Field(description="Why it cannot be carried over; empty if it can.")


class MigrationLineOut(Resource):
    """What became of one request."""

    instance_id: UUID
    number: str
    state: str = Field(description="moves (it would), moved, kept, or gone: it had ended by then.")
    nodes: list[PlaceOut]
    why: list[str] = Field(description="What keeps it.")
