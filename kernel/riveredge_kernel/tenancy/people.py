"""The PEOPLE port: members of the current tenant."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.service import normalized
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.auth import Principal, PrincipalKind
from riveredge_sdk.context import current_tenant
from riveredge_sdk.features.people import Person
from riveredge_sdk.uow import current_unit_of_work, read_session, session

# Columns instead of rows: messages look up thousands of people.
_PERSON = (
    User.id,
    User.name,
    User.email,
    User.active,
    Membership.active,
    User.locale,
    Tenant.locale,
    User.timezone,
    Tenant.timezone,
)


class KernelPeople:
    """Reads in the running unit of work, else in a session of its own."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    async def principal(self, principal_id: UUID) -> Principal | None:
        tenant_id = current_tenant()
        grant = await self._grants.of_anybody(principal_id, tenant_id)
        if grant is None or not grant.active or grant.permissions is None:
            return None
        kind: PrincipalKind = "service" if grant.service else "user"
        return Principal(
            id=principal_id, kind=kind, name=grant.name, tenant_id=tenant_id, permissions=grant.permissions
        )

    async def roles(self, keys: Collection[str]) -> Mapping[str, bool]:
        holders = (
            select(MembershipRole.role_id)
            .join(Membership, col(Membership.id) == col(MembershipRole.membership_id))
            .join(User, col(User.id) == col(Membership.user_id))
            .where(col(User.active), col(Membership.active), col(Membership.tenant_id) == current_tenant())
        )
        query = select(RoleRow.key, col(RoleRow.id).in_(holders)).where(col(RoleRow.key).in_(keys))
        async with _reading() as reading:
            return dict((await reading.exec(query)).all()) if keys else {}

    async def members(self, *, role: str | None = None, after: UUID | None = None, limit: int = 500) -> Sequence[UUID]:
        query = (
            select(User.id)
            .join(Membership, col(Membership.user_id) == col(User.id))
            .where(col(User.active), col(Membership.active), col(Membership.tenant_id) == current_tenant())
            .order_by(col(User.id))
            .limit(limit)
        )
        if after is not None:
            query = query.where(col(User.id) > after)
        async with _reading() as reading:
            if role is not None:
                row = (await reading.exec(select(RoleRow).where(col(RoleRow.key) == role))).first()
                if row is None:
                    raise LookupError(role)
                held = select(MembershipRole.membership_id).where(col(MembershipRole.role_id) == row.id)
                query = query.where(col(Membership.id).in_(held))
            return (await reading.exec(query)).all()

    async def find(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Person]:
        return await self._find(col(User.id).in_(user_ids))

    async def find_by_email(self, emails: Sequence[str]) -> Mapping[str, Person]:
        kept = {email: normalized(email) for email in emails}
        found = await self._find(col(User.email).in_({*kept.values()}))
        people = {person.email: person for person in found.values()}
        return {email: people[own] for email, own in kept.items() if own in people}

    async def _find(self, which: ColumnElement[bool]) -> Mapping[UUID, Person]:
        query = (
            select(*_PERSON)  # type: ignore[call-overload]
            .join(Membership, col(Membership.user_id) == col(User.id))
            .join(Tenant, col(Tenant.id) == col(Membership.tenant_id))
            .where(which, col(Tenant.id) == current_tenant())
        )
        async with _reading() as reading:
            rows = (await reading.exec(query)).all()
        return {
            user_id: Person(
                id=user_id,
                name=name,
                email=email,
                locale=locale or tenant_locale,
                timezone=timezone or tenant_timezone,
                active=active and is_member,
            )
            for user_id, name, email, active, is_member, locale, tenant_locale, timezone, tenant_timezone in rows
        }


@asynccontextmanager
async def _reading() -> AsyncIterator[AsyncSession]:
    if current_unit_of_work.get() is not None:
        yield session()
    else:
        async with read_session() as reading:
            yield reading
