"""What a user may do in a tenant: memberships and roles, cached for a few seconds."""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from sqlmodel import col, select

from riveredge_kernel.auth.key_models import ServiceAccount, ServiceAccountRole
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.db.database import Database
from riveredge_kernel.plugins.host import PluginHost
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.runtime import Runtime

# Other processes learn of a change after this time; this one at once.
CACHE_SECONDS = 5.0
_REMEMBERED = 10_000

TenantT = TypeVar("TenantT", UUID, UUID | None)
# Whose grant was asked for: what was found for one kind of asker says nothing to another.
Kind = Literal["user", "service", "anybody"]


@dataclass(frozen=True, slots=True)
class Grant:
    """`permissions` is None for somebody who is no member. `active` is the user's or service account's own state."""

    name: str
    active: bool
    permissions: frozenset[str] | None
    service: bool = False


class Grants:
    """Looks up what users may do."""

    def __init__(self, database: Database, runtime: Runtime, plugins: PluginHost) -> None:
        self._database = database
        self._runtime = runtime
        self._plugins = plugins
        self._known: dict[tuple[Kind, UUID, UUID | None], tuple[float, Grant | None]] = {}
        self._generation = 0

    async def get(self, user_id: UUID, tenant_id: UUID | None) -> Grant | None:
        """The user's grant in the tenant; None if there is no such user."""
        return await self._remembered("user", user_id, tenant_id, self._load)

    async def of_service_account(self, account_id: UUID, tenant_id: UUID) -> Grant | None:
        """The service account's grant in its tenant; None if there is no such account there."""
        return await self._remembered("service", account_id, tenant_id, self._load_account)

    async def of_anybody(self, principal_id: UUID, tenant_id: UUID) -> Grant | None:
        """The grant of a user or of a service account, whichever has this id; None if neither has."""

        async def load(principal: UUID, tenant: UUID) -> Grant | None:
            return await self._load(principal, tenant) or await self._load_account(principal, tenant)

        return await self._remembered("anybody", principal_id, tenant_id, load)

    def invalidate(self) -> None:
        """Read everything anew: a role or a membership has changed."""
        self._generation += 1
        self._known.clear()

    def forget(self, user_id: UUID) -> None:
        """Read what this user may do anew: they have just signed in."""
        for key in [key for key in self._known if key[1] == user_id]:
            del self._known[key]

    def of_roles(self, roles: Iterable[RoleRow]) -> frozenset[str]:
        """Everything that these roles allow."""
        held: set[str] = set()
        for role in roles:
            held |= self.everything() if role.key == ADMINISTRATOR else set(role.permissions)
        return frozenset(held)

    def everything(self) -> frozenset[str]:
        """Every permission that there is."""
        return frozenset(c.item.id for c in self._plugins.collect(Plugin.permissions))

    async def _remembered(
        self,
        kind: Kind,
        principal_id: UUID,
        tenant_id: TenantT,
        load: Callable[[UUID, TenantT], Awaitable[Grant | None]],
    ) -> Grant | None:
        key = (kind, principal_id, tenant_id)
        found = self._known.get(key)
        if found is not None and time.monotonic() - found[0] < CACHE_SECONDS:
            return found[1]
        generation = self._generation
        grant = await load(principal_id, tenant_id)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if generation == self._generation:
            # What was read before a change may arrive after it.
            self._known[key] = (time.monotonic(), grant)
        return grant

    async def _load_account(self, account_id: UUID, tenant_id: UUID) -> Grant | None:
        async with self._database.lookup("grants", self._runtime) as session:
            query = select(ServiceAccount).where(
                col(ServiceAccount.tenant_id) == tenant_id, col(ServiceAccount.id) == account_id
            )
            account = (await session.exec(query)).one_or_none()
            if account is None:
                return None
            roles = await session.exec(
                select(RoleRow)
                .join(ServiceAccountRole, col(ServiceAccountRole.role_id) == col(RoleRow.id))
                .where(col(ServiceAccountRole.tenant_id) == tenant_id, col(ServiceAccountRole.account_id) == account_id)
            )
            return Grant(account.name, account.active, self.of_roles(roles.all()), service=True)

    async def _load(self, user_id: UUID, tenant_id: UUID | None) -> Grant | None:
        async with self._database.lookup("grants", self._runtime) as session:
            user = await session.get(User, user_id)
            if user is None:
                return None
            if tenant_id is None:
                return Grant(user.name, user.active, None)
            membership = (
                await session.exec(
                    select(Membership).where(
                        col(Membership.tenant_id) == tenant_id,
                        col(Membership.user_id) == user_id,
                        col(Membership.active).is_(True),
                    )
                )
            ).one_or_none()
            if membership is None:
                return Grant(user.name, user.active, None)
            roles = await session.exec(
                select(RoleRow)
                .join(MembershipRole, col(MembershipRole.role_id) == col(RoleRow.id))
                .where(col(MembershipRole.tenant_id) == tenant_id, col(MembershipRole.membership_id) == membership.id)
            )
            return Grant(user.name, user.active, self.of_roles(roles.all()))
