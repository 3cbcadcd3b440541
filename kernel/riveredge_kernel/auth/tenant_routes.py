"""`/api/v1/auth/tenants`: the organisations that one can switch between."""

from typing import Annotated

from pydantic import Field

from riveredge_kernel.auth.answers import TenantBrief
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_sdk.auth import current_principal
from riveredge_sdk.http import Router


class MyTenant(TenantBrief):
    """An organisation that one is a member of. `POST /auth/token` with its short name switches to it."""

    current: Annotated[bool, Field(description="Whether this request's token is for it.")]
    active: Annotated[bool, Field(description="False: it is suspended, and nobody gets in.")]
    url: Annotated[str | None, Field(description="Its own address, where organisations have sub-domains.")]


def my_tenants_router(service: AuthService, settings: Settings) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag="Sign in")

    @router.get("/tenants", signed_in=True, summary="My organisations")
    async def list_my_tenants() -> list[MyTenant]:
        """Whoever signed in by an organisation's identity provider sees that one."""
        principal = current_principal()
        only = principal.tenant_id if principal.tenant_bound else None
        _, tenants = await service.me(principal.id, only=only)
        return [
            MyTenant(
                id=tenant.id,
                slug=tenant.slug,
                name=tenant.name,
                current=tenant.id == principal.tenant_id,
                active=tenant.status == TenantStatus.ACTIVE,
                url=settings.tenant_url(tenant.slug),
            )
            for tenant in tenants
        ]

    return router
