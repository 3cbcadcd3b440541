"""Bodies and answers of departments, positions, memberships, heads and reporting lines."""

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from riveredge_directory.turns import day_of
from riveredge_sdk import Body, ListQuery, Resource


def _no_uuid(key: str) -> str:
    try:
        UUID(key)
    except ValueError:
        return key
    raise ValueError("a key that looks like an id would be taken for one")


Key = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=100, description="Unique among its kind; your own id of it."),
    AfterValidator(_no_uuid),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=2000)]
Order = Annotated[int, Field(ge=0, le=1_000_000, description="Smaller numbers come first.")]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]
First = Annotated[
    Day, Field(default_factory=day_of, description="The first day, in the organisation's zone; without it, today.")
]
Last = Annotated[Day | None, Field(description="The last day; none: until further notice.")]
At = Annotated[Day | None, Field(description="As of this day, in the organisation's zone; none: today.")]


class DatedQuery(ListQuery):
    """Of a list of what depends on the day."""

    at: At = None
    history: Annotated[bool, Field(description="What has ended and what begins later, too, instead of one day's.")] = (
        False
    )


class Change(Body):
    """What may change. What is left out stays; null clears what can be absent."""

    nullable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _no_nulls(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.nullable:
            raise ValueError("cannot be null; leave it out to keep it")
        return value


class DatedChange(Change):
    """An end in the past or in the future; to change what holds from a day on, end it and add what follows."""

    nullable: ClassVar[frozenset[str]] = frozenset({"valid_until"})

    valid_from: Annotated[Day | None, Field(description="The first day.")] = None
    valid_until: Last = None


class DatedOut(Resource):
    """What depends on the day."""

    valid_from: Annotated[date, Field(description="The first day, in the organisation's zone.")]
    valid_until: Annotated[date | None, Field(description="The last day; none: until further notice.")]


class PersonRef(BaseModel):
    """Somebody, as others see them."""

    id: UUID
    name: str


# -- departments and positions ----------------------------------------------------------------------------------------


class DepartmentIn(Body):
    """A new department."""

    key: Key
    name: Name
    description: Text = ""
    parent_id: Annotated[UUID | None, Field(description="The department above it; none: it is at the top.")] = None
    order: Order = 0


class DepartmentChange(Change):
    """`parent_id` moves it with all departments below it."""

    nullable: ClassVar[frozenset[str]] = frozenset({"parent_id"})

    key: Key = ""
    name: Name = ""
    description: Text = ""
    parent_id: Annotated[UUID | None, Field(description="The department above it; null: to the top.")] = None
    order: Order = 0


class DepartmentOut(Resource):
    """A department."""

    key: str
    name: str
    description: str
    parent_id: UUID | None
    order: int
    heads: Annotated[
        list[PersonRef], Field(default_factory=list, description="The first one counts where there can be only one.")
    ]


class TreeNode(BaseModel):
    """A department and those below it."""

    id: UUID
    key: str
    name: str
    heads: list[PersonRef]
    children: "list[TreeNode]"


class PositionIn(Body):
    """A new position."""

    key: Key
    title: Name
    description: Text = ""


class PositionChange(Change):
    key: Key = ""
    title: Name = ""
    description: Text = ""


class PositionOut(Resource):
    """What somebody is in a department."""

    key: str
    title: str
    description: str


# -- who belongs where, leads, reports --------------------------------------------------------------------------------


class MembershipIn(Body):
    """Somebody is to belong to a department."""

    user_id: UUID
    department_id: UUID
    position_id: UUID | None = None
    main: Annotated[
        bool | None,
        Field(description="Whether it is their main one; another one is so no longer. None: if they have no other."),
    ] = None
    valid_from: First
    valid_until: Last = None


class MembershipChange(DatedChange):
    nullable: ClassVar[frozenset[str]] = frozenset({"valid_until", "position_id"})

    position_id: UUID | None = None
    main: bool = False


class MembershipOut(DatedOut):
    """Somebody belongs to a department."""

    user_id: UUID
    department_id: UUID
    position_id: UUID | None
    main: bool


class HeadIn(Body):
    """Somebody is to lead a department. They need not belong to it."""

    department_id: UUID
    user_id: UUID
    order: Order = 0
    valid_from: First
    valid_until: Last = None


class HeadChange(DatedChange):
    order: Order = 0


class HeadOut(DatedOut):
    """Somebody leads a department."""

    department_id: UUID
    user_id: UUID
    order: int


class LineIn(Body):
    """Somebody is to report to a manager."""

    user_id: UUID
    manager_id: UUID
    department_id: Annotated[
        UUID | None, Field(description="As a member of this department; none: wherever no other line says so.")
    ] = None
    valid_from: First
    valid_until: Last = None


class LineOut(DatedOut):
    """Somebody reports to a manager."""

    user_id: UUID
    manager_id: UUID
    department_id: UUID | None


class TransferIn(Body):
    """Somebody's main department is to be another one."""

    department_id: UUID
    position_id: UUID | None = None
    valid_from: First


class MergeIn(Body):
    """What belongs to a department is to belong to another one."""

    into_id: Annotated[UUID, Field(description="The other one.")]
    valid_from: First


class Merged(BaseModel):
    """How much belongs to the other department now."""

    departments: Annotated[int, Field(description="Departments that were directly below it.")]
    memberships: int
    heads: int
    reporting_lines: int
    group_members: Annotated[int, Field(description="Its places in groups.")]
