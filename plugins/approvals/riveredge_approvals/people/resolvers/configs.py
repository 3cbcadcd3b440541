"""What the resolvers of the plugin are given by drawings."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from riveredge_approvals.ir.document import Who

_OF = re.compile(r"initiator|assignee|form:[^\s:]{1,200}")


def _check_of(value: str) -> str:
    if not _OF.fullmatch(value):
        raise ValueError("expected initiator, assignee or form:<field>")
    return value


Of = Annotated[
    str,
    AfterValidator(_check_of),
    Field(title="Of whom", description="`initiator`, `assignee` (for escalations) or `form:<field>`."),
]
Level = Annotated[int, Field(title="Level", ge=1, le=20, description="1 for the nearest.")]


class Config(BaseModel):
    """Base of the configurations: unknown fields are refused, so that a misspelt one is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Config):
    """No configuration."""


class Value(Config):
    value: Annotated[str, Field(title="Which", min_length=1, max_length=200)]


class RoleConfig(Value):
    value: Annotated[str, Field(title="Role", min_length=1, max_length=200, description="Its key.")]
    scope: Annotated[
        Literal["tenant", "department_of_initiator"],
        Field(title="Where", description="All who hold it, or those of the submitting department and below it."),
    ] = "tenant"


class DepartmentConfig(Value):
    value: Annotated[str, Field(title="Department", min_length=1, max_length=200, description="Its id or key.")]
    include_children: Annotated[bool, Field(title="With all departments below it")] = False


class ManagerConfig(Config):
    of: Of = "initiator"
    level: Level = 1


class UntilLevel(Config):
    """As far as a level: 3 for three managers."""

    level: Level


class UntilRole(Config):
    """As far as the first manager who holds a role."""

    role: Annotated[str, Field(title="Role", min_length=1, max_length=200)]


class ManagerChainConfig(Config):
    of: Of = "initiator"
    until: Annotated[Literal["top"] | UntilLevel | UntilRole, Field(title="As far as")] = "top"
    max: Annotated[int, Field(title="At most", ge=1, le=20, description="So many managers.")] = 20


def _named(value: object) -> object:
    # Drawings write defaults beside it that say nothing here.
    return {key: value[key] for key in ("type", "value") if key in value} if isinstance(value, dict) else value


class InitiatorChoiceConfig(Config):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    among: Annotated[
        tuple[Annotated[Who, BeforeValidator(_named)], ...],
        Field(alias="from", title="From whom", description="Empty: from all members."),
    ] = ()
    min: Annotated[int, Field(title="At least", ge=0, le=100)] = 1
    max: Annotated[int, Field(title="At most", ge=1, le=100)] = 20


class NodeConfig(Config):
    node: Annotated[str, Field(title="Node", min_length=1, max_length=64)]


class PreviousChoiceConfig(InitiatorChoiceConfig):
    node: Annotated[str, Field(title="Node", min_length=1, max_length=64, description="Who decides there chooses.")]


class FieldConfig(Config):
    field: Annotated[str, Field(title="Field of the form", min_length=1, max_length=200)]
