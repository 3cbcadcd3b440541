"""`/api/v1/operator`: what who runs the platform does about organisations, with the operators' token."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from sqlmodel import col, select
from starlette.requests import Request

from riveredge_kernel.audit.log import entry
from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import OpsSettings
from riveredge_kernel.tenancy import deletion
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.fields import Locale, TenantName, Timezone
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.tenancy.provisioning import SLUG, Provisioning
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import Body, ListQuery, Page, Resource, Router
from riveredge_sdk.problems import NotFound, Unauthorized
from riveredge_sdk.repository import Repository

# The document cannot know: to the gate these are public, and the token is looked at by `Operators.check`.
REFUSED: dict[int | str, Any] = {401: {"description": "The operators' token is missing or wrong."}}


class OperatorTenant(Resource):
    """An organisation."""

    slug: str
    name: str
    status: str
    locale: str
    timezone: str
    delete_at: datetime | None


class TenantIn(Body):
    """A new organisation."""

    slug: Annotated[
        str,
        Field(pattern=f"^{SLUG.pattern}$", description="Its short name, in addresses and headers."),
    ]
    name: Annotated[TenantName | None, Field(description="Its short name, unless it is given.")] = None
    locale: Locale = "en"
    timezone: Timezone = "UTC"


class OperatorDeletion(Body):
    """How long it can be taken back."""

    days: Annotated[int, Field(ge=0, le=deletion.MAX_DAYS)] = deletion.DEFAULT_DAYS


class AllTenants(Repository[Tenant]):
    """Every organisation."""

    model = Tenant
    fields = (
        FilterField("slug", "text", Tenant.slug),
        FilterField("name", "text", Tenant.name),
        FilterField("status", "text", Tenant.status),
    )
    default_sort = "slug"


class Operators:
    """Tells them by their token, and writes down what they did."""

    def __init__(self, settings: OpsSettings, database: Database, tenants: TenantDirectory) -> None:
        self._token = settings.token.get_secret_value().encode() if settings.token else None
        self.database = database
        self.tenants = tenants

    def check(self, request: Request) -> None:
        """Raise `Unauthorized` unless it is one of them."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if self._token is None:
            raise Unauthorized("This installation has no operators' token: set RIVEREDGE_OPS__TOKEN.")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._token):
            raise Unauthorized("Send the operators' token (RIVEREDGE_OPS__TOKEN): `Authorization: Bearer …`.")

    async def get(self, tenant_id: UUID) -> Tenant:
        """The organisation, past the request's own transaction, which would keep the others' from writing.

        Raises:
            NotFound: there is none.
        """
        async with self.database.system("operator", self.tenants.runtime, read_only=True) as db:
            tenant = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant_id))).one_or_none()
        if tenant is None:
            raise NotFound(f"There is no organisation with the id {tenant_id}.")
        return tenant

    def serving(self, context: Context, tenant_id: UUID) -> Context:
        """The context in which an organisation's own data are looked at."""
        return replace(context, tenant_id=tenant_id)

    async def change(
        self, tenant_id: UUID, action: str, work: Callable[[Any, Tenant], Awaitable[dict[str, Any] | None]]
    ) -> Tenant:
        """Do something to an organisation across the walls; its log tells of it.

        Raises:
            NotFound: there is no such organisation.
        """
        async with self.database.system("operator", self.tenants.runtime) as db:
            query = select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update()
            tenant = (await db.exec(query)).one_or_none()
            if tenant is None:
                raise NotFound(f"There is no organisation with the id {tenant_id}.")
            db.add(self.told(tenant, action, await work(db, tenant)))
        self.tenants.invalidate(tenant_id)
        return tenant

    @staticmethod
    def told(tenant: Tenant, action: str, details: dict[str, Any] | None = None) -> AuditEntry:
        """The entry of the organisation's log about what is done to it."""
        record = AuditRecord(
            action=f"kernel.tenant.{action}",
            object_kind="kernel.tenant",
            object_id=str(tenant.id),
            object_title=tenant.name,
            details=details or {},
            tenant_id=tenant.id,
        )
        return entry(record, actor_kind="operator")


def operator_router(operators: Operators, provisioning: Provisioning) -> Router:
    """The routes. Public to the gate, which knows members only: `mount` lets operators in."""
    router = Router(prefix="/operator/tenants", tag="Operators", audit=False)
    _creating(router, operators, provisioning)
    _looking(router, operators)
    _switching(router, operators, provisioning)
    _deleting(router, operators)
    return router


def _creating(router: Router, operators: Operators, provisioning: Provisioning) -> None:
    @router.post(public=True, responses=REFUSED, status=201, own_transactions=True, summary="Create an organisation")
    async def create_tenant(body: TenantIn, response: Response) -> OperatorTenant:
        """With the roles that the plugins suggest, and nobody in it: invite its administrator then."""
        tenant_id = await provisioning.create_tenant(
            body.slug, body.name or body.slug, locale=body.locale, timezone=body.timezone, by_operator=True
        )
        response.headers["Location"] = f"/api/v1/operator/tenants/{tenant_id}"
        return OperatorTenant.model_validate(await operators.get(tenant_id))


def _looking(router: Router, operators: Operators) -> None:
    rows = AllTenants()

    @router.get(public=True, responses=REFUSED, summary="List organisations")
    async def list_tenants(query: Annotated[ListQuery, Query()]) -> Page[OperatorTenant]:
        return await rows.page(query, into=OperatorTenant)

    @router.get("/{tenant_id}", public=True, responses=REFUSED, summary="One organisation")
    async def get_tenant(tenant_id: UUID) -> OperatorTenant:
        return OperatorTenant.model_validate(await operators.get(tenant_id))


def _switching(router: Router, operators: Operators, provisioning: Provisioning) -> None:
    async def switch(tenant_id: UUID, status: TenantStatus) -> OperatorTenant:
        slug = (await operators.get(tenant_id)).slug
        await provisioning.set_status(slug, status)
        operators.tenants.invalidate(tenant_id)
        return OperatorTenant.model_validate(await provisioning.find_tenant(slug))

    @router.post(
        "/{tenant_id}/suspend",
        public=True,
        responses=REFUSED,
        status=200,
        own_transactions=True,
        summary="Keep everybody out",
    )
    async def suspend_tenant(tenant_id: UUID) -> OperatorTenant:
        return await switch(tenant_id, TenantStatus.SUSPENDED)

    @router.post(
        "/{tenant_id}/resume",
        public=True,
        responses=REFUSED,
        status=200,
        own_transactions=True,
        summary="Let everybody in again",
    )
    async def resume_tenant(tenant_id: UUID) -> OperatorTenant:
        return await switch(tenant_id, TenantStatus.ACTIVE)


def _deleting(router: Router, operators: Operators) -> None:
    @router.post(
        "/{tenant_id}/deletion",
        public=True,
        responses=REFUSED,
        status=202,
        own_transactions=True,
        summary="Delete an organisation",
    )
    async def delete_tenant(tenant_id: UUID, body: OperatorDeletion) -> OperatorTenant:

        async def ask(db: Any, _tenant: Tenant) -> dict[str, Any]:
            await deletion.request(db, tenant_id, timedelta(days=body.days))
            return {"days": body.days}

        return OperatorTenant.model_validate(await operators.change(tenant_id, "delete", ask))

    @router.post(
        "/{tenant_id}/deletion/undo",
        public=True,
        responses=REFUSED,
        status=200,
        own_transactions=True,
        summary="Take a deletion back",
    )
    async def undelete_tenant(tenant_id: UUID) -> OperatorTenant:

        async def undo(db: Any, _tenant: Tenant) -> None:
            await deletion.take_back(db, tenant_id)

        return OperatorTenant.model_validate(await operators.change(tenant_id, "undelete", undo))
