"""What the sign-in routes take and give."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.service import SignedIn
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.http import Body

Slug = Annotated[str, Field(max_length=63, description="An organisation's short name.")]
Email = Annotated[str, Field(max_length=254)]
Password = Annotated[str, Field(max_length=1000)]
Code = Annotated[str, Field(min_length=6, max_length=40)]
Secret = Annotated[str, Field(min_length=1, max_length=200)]


class LoginIn(Body):
    """Credentials."""

    email: Email
    password: Password
    tenant: Slug | None = None
    code: Annotated[Code | None, Field(description="Of the authenticator, or a recovery code; or see the answer.")] = (
        None
    )


class SecondFactorIn(Body):
    """The second step of a sign-in."""

    challenge: Secret
    code: Code


class RefreshIn(Body):
    """The refresh token that came last."""

    refresh_token: Secret


class TokenIn(Body):
    """The organisation to act in."""

    tenant: Slug


class TenantBrief(BaseModel):
    """An organisation one is a member of."""

    id: UUID
    slug: str
    name: str


class UserOut(BaseModel):
    """A person."""

    id: UUID
    email: str
    name: str
    locale: str | None
    timezone: str | None


class MissingProof(BaseModel):
    """Something that the organisation demands: from `since` on, its routes answer 403 `second-factor-demanded`."""

    proof: Literal["second_factor"]
    since: datetime
    refused: Annotated[bool, Field(description="Whether that is so by now.")]


class TokenOut(BaseModel):
    """An access token. `tenant` is null if there are several to choose from."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  (RFC 6750)
    expires_in: Annotated[int, Field(description="Seconds.")]
    refresh_token: Annotated[
        str | None, Field(description="Good for one POST /auth/refresh; null: the session keeps the one it has.")
    ]
    user: UserOut
    tenant: TenantBrief | None
    tenants: list[TenantBrief]
    missing: Annotated[
        list[MissingProof],
        Field(default_factory=list, description="What the organisation demands and this session has not shown."),
    ]


class Me(BaseModel):
    """Who one is, here."""

    user: UserOut
    email_verified: bool
    second_factor: Annotated[bool, Field(description="Whether one signs in with a second factor.")]
    tenant_id: UUID | None
    tenants: list[TenantBrief]
    permissions: list[str]


class SessionOut(BaseModel):
    """One of one's sign-ins that have not ended. `ip` and `user_agent` are those of the last refresh."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    current: Annotated[bool, Field(description="Whether this very request belongs to it.")] = False
    method: Annotated[str, Field(description="How it began: password, oidc, invitation, …")]
    second_factor: bool
    user_agent: str
    ip: str
    created_at: datetime
    last_used_at: Annotated[datetime, Field(description="The last sign-in or refresh.")]
    expires_at: datetime


class Ended(BaseModel):
    """How many sessions were ended."""

    sessions: int


def brief(tenant: Tenant) -> TenantBrief:
    """The tenant as answers show it."""
    return TenantBrief(id=tenant.id, slug=tenant.slug, name=tenant.name)


def person(user: User) -> UserOut:
    """The user as answers show them."""
    return UserOut.model_validate(user, from_attributes=True)


def tokens(signed_in: SignedIn, response: Response) -> TokenOut:
    """The tokens, in an answer that is kept nowhere (RFC 6749 §5.1)."""
    response.headers["Cache-Control"] = "no-store"
    return TokenOut(
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=signed_in.expires_in,
        user=person(signed_in.user),
        tenant=brief(signed_in.tenant) if signed_in.tenant else None,
        tenants=[brief(tenant) for tenant in signed_in.tenants],
        missing=[MissingProof(proof="second_factor", since=lacking.since, refused=lacking.refused)]
        if (lacking := signed_in.demands)
        else [],
    )
