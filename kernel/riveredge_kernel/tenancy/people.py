"""The PEOPLE port: members of the current tenant."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.auth import Principal, PrincipalKind
from riveredge_sdk.context import current_tenant
from riveredge_sdk.features.people import Person
from riveredge_sdk.uow import current_unit_of_work, read_session, session


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

    async def find(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Person]:
        query = (
            select(User, Membership, Tenant)
            .join(Membership, col(Membership.user_id) == col(User.id))
            .join(Tenant, col(Tenant.id) == col(Membership.tenant_id))
            .where(col(User.id).in_(user_ids), col(Tenant.id) == current_tenant())
        )
        if current_unit_of_work.get() is not None:
            rows = (await session().exec(query)).all()
        else:
            async with read_session() as reading:
                rows = (await reading.exec(query)).all()
        return {
            user.id: Person(
                id=user.id,
                name=user.name,
                email=user.email,
                locale=user.locale or tenant.locale,
                timezone=user.timezone or tenant.timezone,
                active=user.active and membership.active,
            )
            for user, membership, tenant in rows
        }
