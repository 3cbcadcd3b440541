"""Who, as drawings say it: the lines of a node's assignees and recipients.

`of` is whose manager or department it is: `initiator`, `assignee` (of a node's deadline) or `form:<field>`.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from riveredge_approvals.ir.document import Selector

Of = Annotated[str, Field(pattern=r"^(initiator|assignee|form:[^\s:]{1,100})$")]
Level = Annotated[int, Field(ge=1, le=20, description="1 is the nearest.")]
Value = Annotated[str, Field(min_length=1, max_length=200)]
FieldName = Annotated[str, Field(min_length=1, max_length=100, description="A field of the form.")]
NodeId = Annotated[str, Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=1, le=100)]


class _Assignee(BaseModel):
    """Base of them. `weight` counts in the mode `weight`."""

    model_config = ConfigDict(extra="ignore")

    type: str
    weight: Annotated[int, Field(ge=1, le=1000)] = 1

    def compile(self) -> Selector:
        """The same line in the compiled form."""
        config = self.model_dump(mode="json", by_alias=True, exclude={"type", "weight"}, exclude_none=True)
        return Selector(resolver=self.type, config=config, weight=self.weight)


class User(_Assignee):
    """Somebody by their id."""

    type: Literal["user"]
    value: Value


class InRole(_Assignee):
    """Who has a role; in the initiator's department only, if `scope` says so."""

    type: Literal["role"]
    value: Value
    scope: Literal["tenant", "department_of_initiator"] = "tenant"


class InDepartment(_Assignee):
    """The people of a department."""

    type: Literal["department"]
    value: Value
    include_children: bool = False


class InGroup(_Assignee):
    """The people of a group."""

    type: Literal["group"]
    value: Value


class Manager(_Assignee):
    """Somebody's manager, or the manager's at a higher level."""

    type: Literal["manager"]
    of: Of = "initiator"
    level: Level = 1


class UntilLevel(BaseModel):
    """So many managers."""

    model_config = ConfigDict(extra="forbid")
    level: Level


class UntilRole(BaseModel):
    """Up to the first who has a role."""

    model_config = ConfigDict(extra="forbid")
    role: Value


class ManagerChain(_Assignee):
    """The managers one above the other, to a level, to somebody in a role, or to the top."""

    type: Literal["manager_chain"]
    of: Of = "initiator"
    until: Literal["top"] | UntilLevel | UntilRole = "top"
    max: Annotated[int, Field(ge=1, le=20)] = 20


class DepartmentHead(_Assignee):
    """The heads of somebody's department, or of one above it."""

    type: Literal["department_head"]
    of: Of = "initiator"
    level: Level = 1


class Initiator(_Assignee):
    """Whose request it is."""

    type: Literal["initiator"]


Among: TypeAlias = Annotated[
    "list[Annotated[User | InRole | InDepartment | InGroup, Field(discriminator='type')]] | None",
    Field(alias="from", max_length=50),
]


class InitiatorChoice(_Assignee):
    """Whom the initiator chooses at submission, from some people or from all."""

    type: Literal["initiator_choice"]
    from_: Among = None
    min: Count = 1
    max: Count = 1


class PreviousChoice(_Assignee):
    """Whom an approver chooses when deciding on an earlier node, from some people or from all."""

    type: Literal["previous_choice"]
    node: NodeId
    from_: Among = None
    min: Count = 1
    max: Count = 1


class FormUser(_Assignee):
    """Who stands in a field of the form."""

    type: Literal["form_user"]
    field: FieldName


class FormDepartmentHead(_Assignee):
    """The heads of the department that stands in a field of the form."""

    type: Literal["form_department_head"]
    field: FieldName


class SameAs(_Assignee):
    """Who has decided on another node."""

    type: Literal["same_as"]
    node: NodeId


class Resolved(_Assignee):
    """Whom a plugin's resolver finds."""

    type: Literal["resolver"]
    id: Value
    config: Annotated[dict[str, Any], Field(default_factory=dict)]

    def compile(self) -> Selector:
        return Selector(resolver=self.id, config=self.config, weight=self.weight)


Assignee: TypeAlias = Annotated[
    User
    | InRole
    | InDepartment
    | InGroup
    | Manager
    | ManagerChain
    | DepartmentHead
    | Initiator
    | InitiatorChoice
    | PreviousChoice
    | FormUser
    | FormDepartmentHead
    | SameAs
    | Resolved,
    Field(discriminator="type"),
]
ASSIGNEES = (
    User,
    InRole,
    InDepartment,
    InGroup,
    Manager,
    ManagerChain,
    DepartmentHead,
    Initiator,
    InitiatorChoice,
    PreviousChoice,
    FormUser,
    FormDepartmentHead,
    SameAs,
    Resolved,
)
