"""What is said of the processes that name something, and of those that somebody may start."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

# Where the compiled form keeps what it needs of each.
NEEDS: Final = {
    "role": "roles",
    "user": "users",
    "group": "groups",
    "department": "departments",
    "process": "processes",
    "connection": "connections",
    "template": "templates",
    "resolver": "resolvers",
    "plugin": "plugins",
}
Name = Annotated[str | None, Field(min_length=1, max_length=200)]


class UsageQuery(BaseModel):
    """What may be used; one of them. Users by their ids, the others by their keys, as drawings name them."""

    model_config = ConfigDict(extra="forbid")

    role: Name = None
    user: Name = None
    group: Name = None
    department: Name = None
    process: Name = None
    connection: Name = None
    template: Name = None
    resolver: Name = None
    plugin: Name = None


class UsageOut(BaseModel):
    """A version that names something."""

    process_id: UUID
    key: str
    title: str
    version: int
    current: bool = Field(description="New requests run on it.")
    under_way: int = Field(description="How many requests are under way on it.")
    nodes: list[str] = Field(description="The nodes that name it.")
    settings: bool = Field(description="The process's settings name it: who may start it, who looks after it.")


class ChoiceOut(BaseModel):
    """Whom the submitter chooses for a node."""

    node: str
    label: str
    among: list[dict[str, Any]] = Field(description="Users, roles, departments and groups; empty: all members.")
    min: int
    max: int


class StartableOut(BaseModel):
    """A process that one may start."""

    key: str
    title: str
    description: str
    category: str
    icon: str
    version: int
    form_schema: dict[str, Any] = Field(description="JSON Schema of the form.")
    fields: dict[str, str] = Field(description="Rights of the submitter by field; `*` is for those not named.")
    choices: list[ChoiceOut] = Field(description="Whom one says with the form.")
