"""Bodies and answers of the routes by which people arrange who stands in for them."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator

from riveredge_sdk import Body, ListQuery, Resource, utcnow

Substitute = Annotated[UUID, Field(description="Who is asked instead; an active member.")]
Process = Annotated[
    UUID | None, Field(description="In this process only; null: in all for which nothing else is said.")
]
# Kept and answered in UTC, as all times are.
Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
End = Annotated[Instant | None, Field(description="Until then; null: until it is deleted.")]
Reason = Annotated[str, Field(max_length=500)]


class DelegationQuery(ListQuery):
    """Of the list."""

    box: Annotated[
        Literal["given", "received", "all"],
        Field(
            description="Who stands in for oneself, for whom oneself does; all of the organisation, with the right to."
        ),
    ] = "given"
    current: Annotated[
        bool | None, Field(description="Only what counts now; false: only what is over, or begins later.")
    ] = None


class DelegationIn(Body):
    """Somebody is to be asked instead of somebody else, for a time."""

    user_id: Annotated[
        UUID | None, Field(description="Instead of whom; without it, oneself. Others need the right to.")
    ] = None
    substitute_id: Substitute
    process_id: Process = None
    starts_at: Annotated[Instant, Field(default_factory=utcnow, description="From then on; without it, at once.")]
    ends_at: End = None
    reason: Reason = ""


class DelegationChange(Body):
    """What may change. What is left out stays; null clears what can be absent."""

    nullable: ClassVar[frozenset[str]] = frozenset({"process_id", "ends_at"})

    substitute_id: Substitute | None = None
    process_id: Process = None
    starts_at: Annotated[Instant | None, Field(description="From then on.")] = None
    ends_at: End = None
    reason: Reason | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _no_nulls(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.nullable:
            raise ValueError("cannot be null; leave it out to keep it")
        return value


class DelegationOut(Resource):
    """Somebody is asked instead of somebody else."""

    user_id: UUID
    substitute_id: UUID
    process_id: UUID | None
    starts_at: datetime
    ends_at: datetime | None
    reason: str
