"""`/api/v1/quotas`: what an organisation may have, and how much of it it has."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_kernel.limits.quotas import QuotaBook
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.tenancy.operator_routes import REFUSED, Operators
from riveredge_sdk.context import current_context, current_tenant, use_context
from riveredge_sdk.http import Body, ExpectedVersion, Router
from riveredge_sdk.problems import FieldError, Invalid, PreconditionFailed
from riveredge_sdk.uow import unit_of_work

Limit = Annotated[int, Field(ge=0, le=10**15)]


class QuotaOut(BaseModel):
    """One quota. `used` is null for what is not counted: requests a minute, seconds between two fires."""

    id: str
    title: str
    unit: str
    limit: Annotated[int | None, Field(description="Null: there is none.")]
    source: Annotated[str, Field(description="`organisation`: set by the operators for it; else `default`.")]
    used: int | None


class QuotasIn(Body):
    """Limits of one organisation. A quota that is not named has its default; null takes the limit away."""

    limits: dict[str, Limit | None]


async def quotas_of(book: QuotaBook, own: Mapping[str, int | None]) -> list[QuotaOut]:
    """Every quota of the current tenant, counted in the running unit of work."""
    counted = {quota.id: quota for quota in book.contributed()}
    found = []
    for name, title in book.titles().items():
        quota = counted.get(name)
        found.append(
            QuotaOut(
                id=name,
                title=title,
                unit=quota.unit if quota else "requests",
                limit=book.limit(name, own, quota.default if quota else None),
                source="organisation" if name in own else "default",
                used=await book.used(quota) if quota else None,
            )
        )
    return found


def checked_limits(book: QuotaBook, limits: Mapping[str, int | None]) -> None:
    """Raise `Invalid`, naming each, if there are limits of what nobody counts."""
    unknown = [name for name in limits if name not in book.titles()]
    if unknown:
        errors = [FieldError(f"limits.{name[:100]}", "There is no such quota.", "unknown_quota") for name in unknown]
        raise Invalid(f"There are: {', '.join(sorted(book.titles()))}.", errors=errors[:50])


def quota_router(book: QuotaBook, tenants: TenantDirectory) -> Router:
    """What the organisation itself sees."""
    router = Router(prefix="/quotas", tag="Organisation")

    @router.get(require="kernel.tenant.read", summary="What the organisation may have, and has")
    async def list_quotas() -> list[QuotaOut]:
        tenant = await tenants.get(current_tenant())
        return await quotas_of(book, tenant.quotas if tenant else {})

    return router


def operator_quota_router(book: QuotaBook, operators: Operators) -> Router:
    """What operators see and set."""
    router = Router(prefix="/operator/tenants/{tenant_id}/quotas", tag="Operators", audit=False)

    async def shown(tenant: Tenant) -> list[QuotaOut]:
        async def count() -> list[QuotaOut]:
            async with unit_of_work(independent=True, read_only=True):
                return await quotas_of(book, tenant.quotas)

        with use_context(operators.serving(current_context(), tenant.id)):
            return await count()

    @router.get(public=True, responses=REFUSED, summary="What an organisation may have, and has")
    async def get_tenant_quotas(tenant_id: UUID) -> list[QuotaOut]:
        return await shown(await operators.get(tenant_id))

    @router.put(public=True, responses=REFUSED, own_transactions=True, summary="Set what an organisation may have")
    async def set_tenant_quotas(tenant_id: UUID, body: QuotasIn, version: ExpectedVersion) -> list[QuotaOut]:
        """Takes the place of all limits set for it. If-Match is the ETag of the organisation."""
        checked_limits(book, body.limits)

        async def change(_db: object, tenant: Tenant) -> dict[str, object]:
            if tenant.version != version:
                raise PreconditionFailed(f"You have seen version {version}; it is at version {tenant.version} now.")
            tenant.quotas = dict(body.limits)
            return {"limits": body.limits}

        return await shown(await operators.change(tenant_id, "limit", change))

    return router
