"""`/api/v1/tenant/deletion`: an organisation ends, unless it thinks better of it in time."""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col, select

from riveredge_kernel.tenancy import deletion
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_sdk.auth import redeem_ticket
from riveredge_sdk.context import current_tenant
from riveredge_sdk.http import Body, Router
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import NotFound, invalid_field
from riveredge_sdk.uow import session

DELETE = "kernel.tenant.delete"
PURPOSE = "kernel.tenant_deletion"


class DeletionIn(Body):
    """What is to be deleted, in so many words, and who says so."""

    slug: Annotated[str, Field(max_length=63, description="The organisation's short name, as a confirmation.")]
    days: Annotated[int, Field(ge=1, le=deletion.MAX_DAYS, description="How long it can be taken back.")] = (
        deletion.DEFAULT_DAYS
    )
    ticket: Annotated[
        str | None,
        Field(max_length=200, description="Of POST /auth/tickets; without it the answer says what to ask for."),
    ] = None


class DeletionOut(BaseModel):
    """A deletion that is coming. Until `delete_at` it can be taken back."""

    status: str
    delete_at: datetime
    seconds_left: Annotated[int, Field(description="Until there is no way back.")]


def content_hash(tenant_id: UUID) -> str:
    """What a ticket for the deletion is about."""
    return "sha256:" + hashlib.sha256(f"{PURPOSE} {tenant_id}".encode()).hexdigest()


def deletion_router(tenants: TenantDirectory) -> Router:
    """The routes. They stay open to an organisation that is to be deleted (`http.gate`)."""
    router = Router(prefix="/tenant/deletion", tag="Organisation", audit="kernel.tenant")

    @router.post(require=DELETE, status=202, summary="Delete the organisation")
    async def request_tenant_deletion(body: DeletionIn) -> DeletionOut:
        """Nobody gets in any more, at once; everything is erased when the days are over. Needs a ticket."""
        tenant = await _current()
        if body.slug != tenant.slug:
            raise invalid_field("slug", f"Write {tenant.slug!r}: that is what would be deleted.", "confirmation")
        await redeem_ticket(body.ticket, purpose=PURPOSE, content_hash=content_hash(tenant.id))
        asked = await deletion.request(session(), tenant.id, timedelta(days=body.days))
        tenants.invalidate(tenant.id)
        return _out(asked)

    @router.get(
        require=DELETE,
        summary="The deletion that is coming",
        responses={404: {"description": "No deletion is coming."}},
    )
    async def get_tenant_deletion() -> DeletionOut:
        return _out(await _current())

    @router.post("/undo", require=DELETE, status=204, summary="Take the deletion back")
    async def undo_tenant_deletion() -> None:
        """Everybody gets in again. Runs that ended by it stay ended."""
        await deletion.take_back(session(), current_tenant())
        tenants.invalidate(current_tenant())

    return router


async def _current() -> Tenant:
    return (await session().exec(select(Tenant).where(col(Tenant.id) == current_tenant()))).one()


def _out(tenant: Tenant) -> DeletionOut:
    if tenant.status != TenantStatus.DELETING or tenant.delete_at is None:
        raise NotFound("No deletion is coming.")
    left = max(0, int((tenant.delete_at - utcnow()).total_seconds()))
    return DeletionOut(status=tenant.status, delete_at=tenant.delete_at, seconds_left=left)
