"""The end of an organisation: suspended at once, erased after a time in which it can be taken back."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.tenancy.provisioning import end_runs
from riveredge_sdk.events import EventType
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict
from riveredge_sdk.timers import DueRows, Waiting
from riveredge_sdk.uow import publish, unit_of_work

DEFAULT_DAYS = 30
MAX_DAYS = 365


class TenantErasure(BaseModel):
    """Which organisation, and for when its deletion was asked: another time is another request."""

    organisation: UUID
    delete_at: datetime


ERASURE_DUE = EventType(
    "kernel/tenant.erasure_due", TenantErasure, "An organisation's data are to be erased", internal=True
)
_ASKED = (col(Tenant.status) == TenantStatus.DELETING, col(Tenant.deletion_claimed_at).is_(None))


async def request(session: AsyncSession, tenant_id: UUID, grace: timedelta) -> Tenant:
    """Suspend the organisation, and have it erased after the grace.

    Raises:
        Conflict: it is being deleted already.
    """
    tenant = await _locked(session, tenant_id)
    if tenant.status not in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}:
        raise Conflict(f"The organisation is {tenant.status} already.")
    tenant.status, tenant.delete_at, tenant.deletion_claimed_at = TenantStatus.DELETING, utcnow() + grace, None
    await end_runs(session, tenant_id, "The organisation is to be deleted.")
    await session.flush()
    return tenant


async def take_back(session: AsyncSession, tenant_id: UUID) -> Tenant:
    """Let the organisation in again.

    Raises:
        Conflict: it is not being deleted, or its time is over.
    """
    tenant = await _locked(session, tenant_id)
    if tenant.status != TenantStatus.DELETING:
        raise Conflict(f"There is no deletion to take back: the organisation is {tenant.status}.")
    tenant.status, tenant.delete_at, tenant.deletion_claimed_at = TenantStatus.ACTIVE, None, None
    await session.flush()
    return tenant


async def _locked(session: AsyncSession, tenant_id: UUID) -> Tenant:
    return (await session.exec(select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update())).one()


class TenantDeletions(DueRows):
    """Organisations whose time comes: handed to the function that erases them."""

    id = "kernel.tenant_deletions"
    title = "Deletions of organisations"

    async def claim(self, until: datetime, limit: int) -> int:
        async with unit_of_work() as session:
            query = (
                select(Tenant)
                .where(*_ASKED, col(Tenant.delete_at) < until)
                .order_by(col(Tenant.delete_at))
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            rows = (await session.exec(query)).all()
            for row in rows:
                assert row.delete_at is not None  # noqa: S101  (or it would not be due)
                row.deletion_claimed_at = utcnow()
                publish(ERASURE_DUE, TenantErasure(organisation=row.id, delete_at=row.delete_at), due_at=row.delete_at)
        return len(rows)

    async def reconcile(self, now: datetime) -> int:
        """The outbox sends again what was not seen to start."""
        return 0

    async def waiting(self, now: datetime) -> Waiting:
        async with unit_of_work(read_only=True) as session:
            overdue = (await session.exec(select(func.count()).where(*_ASKED, col(Tenant.delete_at) < now))).one()
            next_due = (await session.exec(select(func.min(Tenant.delete_at)).where(*_ASKED))).one()
        return Waiting(overdue=overdue, next_due_at=next_due)
