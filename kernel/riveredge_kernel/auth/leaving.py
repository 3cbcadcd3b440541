"""Telling plugins that somebody has left an organisation, in the transaction in which they do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.models import Membership, User
from riveredge_sdk.context import Context, find_context, use_context
from riveredge_sdk.features.tenants import MEMBER_LEFT, MemberLeft, WhyLeft
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import publish, session, unit_of_work


def tell_left(user_id: UUID, why: WhyLeft, *, tenant_id: UUID | None = None) -> None:
    """Publish that they have left the organisation; the one being served if none is named."""
    publish(MEMBER_LEFT, MemberLeft(user_id=user_id, why=why), tenant_id=tenant_id)


@asynccontextmanager
async def telling(runtime: Runtime, reason: str) -> AsyncIterator[AsyncSession]:
    """A transaction across organisations in which events of any of them can be published."""
    context = find_context() or Context(runtime=runtime)
    with use_context(replace(context, tenant_id=None, system_reason=reason)):
        async with unit_of_work(independent=True):
            yield session()


async def switch_account(runtime: Runtime, user_id: UUID, *, active: bool) -> None:
    """Lock somebody out of every organisation, or let them in again."""
    async with telling(runtime, "set user state") as db:
        user = (await db.exec(select(User).where(col(User.id) == user_id).with_for_update())).one()
        if user.active and not active:
            query = select(Membership.tenant_id).where(col(Membership.user_id) == user_id, col(Membership.active))
            for tenant_id in (await db.exec(query)).all():
                tell_left(user_id, "account_off", tenant_id=tenant_id)
        user.active = active
