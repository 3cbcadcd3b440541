"""What the routes of service accounts and API keys take and return."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from riveredge_kernel.auth.schemas import PermissionId, RoleKeys
from riveredge_sdk.http import Body, Resource

KeyName = Annotated[str, Field(min_length=1, max_length=100, description="What it is for, for people.")]
MAX_OVERLAP_MINUTES = 7 * 24 * 60


class ApiKeyOut(Resource):
    """An API key, without its secret. It allows what both `permissions` and its owner's roles allow."""

    name: str
    prefix: Annotated[str, Field(description="The key's beginning, to tell it apart.")]
    owner: Annotated[Literal["user", "service_account"], Field(description="Of what kind the owner is.")]
    owner_id: UUID
    owner_name: str
    permissions: list[str]
    state: Annotated[Literal["active", "expired", "revoked"], Field(description="As of now.")]
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by_id: UUID | None
    created_by_id: UUID | None
    rotated_from_id: UUID | None
    last_used_at: Annotated[datetime | None, Field(description="Give or take ten minutes; null: never.")]
    last_used_from: Annotated[str | None, Field(description="The address of that use.")]


class CurrentKeyOut(ApiKeyOut):
    """The key that a request came with."""

    allowed: Annotated[list[str], Field(description="What it allows now: its permissions that its owner holds.")]


class ApiKeySecret(ApiKeyOut):
    """A key that was just made."""

    key: Annotated[str, Field(description="Send it as `Authorization: Bearer …`. It is shown this once.")]


class ApiKeyIn(Body):
    """A new key."""

    name: KeyName
    permissions: Annotated[
        list[PermissionId],
        Field(min_length=1, max_length=1000, description="All that it may be used for; you and its owner hold them."),
    ]
    expires_at: Annotated[AwareDatetime | None, Field(description="By default in 90 days.")] = None


class ApiKeyChange(Body):
    """What may change about a key. For other permissions, make another key."""

    name: KeyName | None = None


class RotateIn(Body):
    """How to change over."""

    overlap_minutes: Annotated[
        int, Field(ge=0, le=MAX_OVERLAP_MINUTES, description="How long the old key still works; 0 ends it now.")
    ] = 0
    expires_at: Annotated[
        AwareDatetime | None,
        Field(description="Of the new key; by default it lasts as long as the old one was made for."),
    ] = None


class ServiceAccountOut(Resource):
    """A program's account, with the keys of its roles."""

    name: str
    description: str
    active: bool
    created_by_id: UUID | None
    roles: Annotated[list[str], Field(default_factory=list)]


class ServiceAccountIn(Body):
    """A new service account."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=1000)] = ""
    roles: Annotated[RoleKeys, Field(default_factory=list)]


class ServiceAccountChange(Body):
    """What may change about a service account."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None
    active: bool | None = None
    roles: RoleKeys | None = None
