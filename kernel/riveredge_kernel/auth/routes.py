"""`/api/v1/auth`: sign in, choose the organisation, see who one is."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.service import AuthService, SignedIn
from riveredge_kernel.http.gate import TENANT_HINT
from riveredge_kernel.http.tenant_hint import chosen_tenant
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.auth import current_principal
from riveredge_sdk.http import Body, Router

# RFC 6749 §5.1: an answer with a token is kept nowhere.
_NO_STORE = {"Cache-Control": "no-store"}

Slug = Annotated[str, Field(max_length=63, description="An organisation's short name.")]


class LoginIn(Body):
    """Credentials."""

    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=1000)]
    tenant: Slug | None = None


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


class TokenOut(BaseModel):
    """An access token. `tenant` is null if there are several to choose from."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  (RFC 6750)
    expires_in: Annotated[int, Field(description="Seconds.")]
    user: UserOut
    tenant: TenantBrief | None
    tenants: list[TenantBrief]


class Me(BaseModel):
    """Who one is, here."""

    user: UserOut
    tenant_id: UUID | None
    tenants: list[TenantBrief]
    permissions: list[str]


def _tenant(tenant: Tenant) -> TenantBrief:
    return TenantBrief(id=tenant.id, slug=tenant.slug, name=tenant.name)


def _user(user: User) -> UserOut:
    return UserOut.model_validate(user, from_attributes=True)


def _token(signed_in: SignedIn) -> TokenOut:
    return TokenOut(
        access_token=signed_in.access_token,
        expires_in=signed_in.expires_in,
        user=_user(signed_in.user),
        tenant=_tenant(signed_in.tenant) if signed_in.tenant else None,
        tenants=[_tenant(tenant) for tenant in signed_in.tenants],
    )


def auth_router(service: AuthService) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag="Sign in")

    @router.post("/login", public=True, status=200, summary="Sign in")
    async def login(body: LoginIn, request: Request, response: Response) -> TokenOut:
        response.headers.update(_NO_STORE)
        tenant = chosen_tenant(body.tenant, request.scope[TENANT_HINT])
        return _token(await service.login(body.email, body.password, tenant))

    @router.post("/token", signed_in=True, status=200, summary="Choose the organisation")
    async def token(body: TokenIn, response: Response) -> TokenOut:
        response.headers.update(_NO_STORE)
        return _token(await service.switch(current_principal().id, body.tenant))

    @router.get("/me", signed_in=True, summary="Who am I")
    async def me() -> Me:
        principal = current_principal()
        user, tenants = await service.me(principal.id)
        return Me(
            user=_user(user),
            tenant_id=principal.tenant_id,
            tenants=[_tenant(tenant) for tenant in tenants],
            permissions=sorted(principal.permissions),
        )

    return router
