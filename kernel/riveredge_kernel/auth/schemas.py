"""What the routes of members and roles take and return."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk.http import Body, Resource

RoleKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,99}$", description="For example `sales.clerk`.")]
RoleKeys = Annotated[list[RoleKey], Field(max_length=100)]
PermissionId = Annotated[str, Field(max_length=200)]
PermissionIds = Annotated[list[PermissionId], Field(max_length=1000)]


class RoleOut(Resource):
    """A named set of permissions. The administrator's holds every permission there is, whatever it lists."""

    key: str
    title: str
    permissions: list[str]


class RoleIn(Body):
    """A new role. It can hold what its creator holds."""

    key: RoleKey
    title: Annotated[str, Field(min_length=1, max_length=200)]
    permissions: Annotated[PermissionIds, Field(default_factory=list)]


class RoleChange(Body):
    """What may change about a role."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    permissions: PermissionIds | None = None


class RoleTemplateOut(BaseModel):
    """A role that a plugin suggests. `role_id` is null where the organisation has none of this key."""

    key: str
    plugin: str
    title: str
    description: str
    permissions: list[str]
    role_id: UUID | None
    changed: Annotated[bool, Field(description="Whether the organisation's role allows something else.")]


class MemberOut(Resource):
    """A user in this organisation, with the keys of their roles."""

    user_id: UUID
    active: bool
    email: str = ""
    name: str = ""
    roles: Annotated[list[str], Field(default_factory=list)]


class MemberIn(Body):
    """Add a user by e-mail address; one who is new to the platform cannot sign in before a password is set."""

    email: Annotated[str, Field(max_length=254)]
    name: Annotated[str, Field(max_length=200)] = ""
    roles: Annotated[RoleKeys, Field(default_factory=list)]


class MemberChange(Body):
    """What may change about a member."""

    active: bool | None = None
    roles: RoleKeys | None = None


class PermissionOut(BaseModel):
    """Something that a role can allow."""

    id: str
    plugin: str
    title: str
    description: str


class RoleBrief(BaseModel):
    """A role, named."""

    id: UUID
    key: str
    title: str


class Obstacle(BaseModel):
    """Why somebody may do nothing at all here."""

    code: Literal["account_off", "membership_off", "tenant_suspended", "expired", "revoked"]
    message: str


class PermissionExplained(BaseModel):
    """Why somebody may, or may not, do something."""

    id: str
    title: str
    plugin: str | None
    allowed: bool
    code: Annotated[
        Literal["granted", "no_role", "not_in_key", "plugin_off", "unknown", "blocked"],
        Field(description="`blocked`: see the obstacles. `unknown`: no plugin that is installed checks it."),
    ]
    reason: str
    granted_by: Annotated[list[RoleBrief], Field(description="The roles held that allow it.")]
    offered_by: Annotated[list[RoleBrief], Field(description="Roles of the organisation, not held, that would.")]


class Explanation(BaseModel):
    """What somebody may do, and why."""

    name: str
    active: Annotated[bool, Field(description="Whether there is no obstacle.")]
    obstacles: list[Obstacle]
    roles: list[RoleBrief]
    permissions: list[PermissionExplained]
