"""Bodies and answers of groups and absences."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from riveredge_directory.schemas import Change, DatedChange, DatedOut, First, Key, Last, Name, PersonRef, Text
from riveredge_sdk import Body, Resource


class GroupIn(Body):
    """A new group."""

    key: Key
    name: Name
    description: Text = ""


class GroupChange(Change):
    key: Key = ""
    name: Name = ""
    description: Text = ""


class GroupOut(Resource):
    """People, departments and other groups under one name."""

    key: str
    name: str
    description: str


class GroupMemberIn(Body):
    """Exactly one of a person, a department and another group."""

    user_id: UUID | None = None
    department_id: UUID | None = None
    include_children: Annotated[bool, Field(description="Of a department: the departments below it, too.")] = True
    member_group_id: Annotated[UUID | None, Field(description="A group whose people are to be in this one.")] = None
    valid_from: First
    valid_until: Last = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "GroupMemberIn":
        if [self.user_id, self.department_id, self.member_group_id].count(None) != 2:
            raise ValueError("give exactly one of user_id, department_id and member_group_id")
        return self


class GroupMemberChange(DatedChange):
    include_children: bool = True


class GroupMemberOut(DatedOut):
    """A member of a group."""

    group_id: UUID
    user_id: UUID | None
    department_id: UUID | None
    include_children: bool
    member_group_id: UUID | None


Substitutes = Annotated[
    list[UUID],
    Field(
        default_factory=list,
        max_length=5,
        description="User ids, in their order. One who is absent, too, is stood in for in turn.",
    ),
]
Note = Annotated[str, Field(max_length=500, description="Seen by the person and managers of the directory only.")]


class OwnAbsenceIn(Body):
    """When you are not there, and who stands in."""

    valid_from: First
    valid_until: Last = None
    substitutes: Substitutes
    note: Note = ""


class AbsenceIn(OwnAbsenceIn):
    """When somebody is not there, and who stands in."""

    user_id: UUID


class AbsenceChange(DatedChange):
    substitutes: Substitutes
    note: Note = ""


class AbsenceOut(DatedOut):
    """Somebody is not there."""

    user_id: UUID
    note: str
    substitutes: Annotated[
        list[PersonRef], Field(default_factory=list, description="Those who are active, in their order.")
    ]
