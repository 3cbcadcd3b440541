"""Creates tenants and their members, across tenants: for the command line, the demo and tests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.audit.log import entry
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.passwords import hash_password
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.service import normalized
from riveredge_kernel.db.database import Database
from riveredge_kernel.functions.models import Run, RunStatus, RunStep
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantInfo
from riveredge_kernel.tenancy.lifecycle import tell_plugins
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context, find_context, use_context
from riveredge_sdk.models import utcnow
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import Conflict, NotFound, invalid_field
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import unit_of_work

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a tenant."""

    user_id: UUID
    membership_id: UUID


def checked_email(email: str, *, field: str = "email") -> str:
    """The address in its kept form.

    Raises:
        Invalid: it is none.
    """
    kept = normalized(email)
    if not _EMAIL.fullmatch(kept):
        raise invalid_field(field, "Expected an e-mail address, for example ada@example.com.", "email")
    return kept


class Provisioning:
    """Works inside the kernel's cross-tenant hatch."""

    def __init__(self, database: Database, runtime: Runtime, plugins: PluginHost) -> None:
        self._database = database
        self._runtime = runtime
        self._plugins = plugins

    async def create_tenant(
        self, slug: str, name: str, *, locale: str = "en", timezone: str = "UTC", by_operator: bool = False
    ) -> UUID:
        """A tenant with the roles that the plugins suggest, and what they give to a new one.

        Args:
            by_operator: let its log begin with that.

        Raises:
            Invalid: the slug is no DNS label.
            Conflict: it is taken.
        """
        if not SLUG.fullmatch(slug):
            raise invalid_field("slug", "Expected 1 to 63 lower-case letters, digits and hyphens.", "slug")
        made = Tenant(slug=slug, name=name, locale=locale, timezone=timezone)
        around = find_context() or Context(runtime=self._runtime)
        context = replace(around, tenant_id=made.id, locale=locale, timezone=timezone, system_reason=None)
        with use_context(context):
            # The new tenant's own unit of work, as all that plugins do in it: whole or not at all.
            async with unit_of_work(independent=True) as session:
                session.add(made)
                try:
                    await session.flush()
                except IntegrityError:
                    raise Conflict(f"There is an organisation {slug!r} already.") from None
                session.add(RoleRow(key=ADMINISTRATOR, title="Administrator", permissions=[]))
                for contributed in self._plugins.collect(Plugin.roles):
                    role = contributed.item
                    session.add(RoleRow(key=role.id, title=role.title, permissions=sorted(role.permissions)))
                await session.flush()
                if by_operator:
                    session.add(entry(_told(made, "create"), actor_kind="operator"))
                tenant = TenantInfo(made.id, slug, name, TenantStatus.ACTIVE, locale, timezone, switches={})
                await tell_plugins(self._plugins, tenant, Plugin.tenant_created)
        return made.id

    async def find_tenant(self, slug: str) -> Tenant:
        """The tenant of this name.

        Raises:
            NotFound: there is none.
        """
        async with self._database.system("find tenant", self._runtime, read_only=True) as session:
            found = (await session.exec(select(Tenant).where(col(Tenant.slug) == slug))).one_or_none()
        if found is None:
            raise NotFound(f"There is no organisation {slug!r}.")
        return found

    async def set_status(self, slug: str, status: TenantStatus) -> int:
        """Suspend a tenant, or let it in again; how many runs that were under way have ended by it.

        Its log tells of it. A run that was cancelled stays so: what it was about is for people to decide anew.

        Raises:
            Conflict: it is being deleted.
            NotFound: there is no such tenant.
        """
        tenant = await self.find_tenant(slug)
        async with self._database.system("set tenant status", self._runtime) as session:
            row = (await session.exec(select(Tenant).where(col(Tenant.id) == tenant.id).with_for_update())).one()
            if row.status == status:
                return 0
            if row.status not in {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}:
                raise Conflict(f"The organisation is {row.status}. `riveredge tenant undelete` takes a deletion back.")
            row.status = status
            verb = "suspend" if status == TenantStatus.SUSPENDED else "resume"
            session.add(entry(_told(row, verb), actor_kind="operator"))
            return (
                await end_runs(session, row.id, "The organisation was suspended.")
                if status == TenantStatus.SUSPENDED
                else 0
            )

    async def add_member(
        self,
        tenant_id: UUID,
        email: str,
        *,
        name: str = "",
        password: str | None = None,
        roles: Sequence[str] = (),
        locale: str | None = None,
    ) -> Member:
        """Make the user of this address, created if need be, a member with these roles (keys) besides those it has.

        A password is set for a new user only.

        Raises:
            Invalid: the address is none, a role is unknown, or the password is too short.
        """
        kept = checked_email(email)
        hashed = await hash_password(password) if password is not None else None
        async with self._database.system("add member", self._runtime) as session:
            user = (await session.exec(select(User).where(col(User.email) == kept))).one_or_none()
            if user is None:
                user = User(
                    email=kept,
                    name=name or kept.partition("@")[0],
                    password_hash=hashed,
                    locale=locale,
                    # Who runs the platform vouches for the address.
                    email_verified_at=utcnow(),
                )
                session.add(user)
                await session.flush()
            membership = await ensure_membership(session, tenant_id, user.id)
            for key in roles:
                await give_role(session, membership, key)
            return Member(user.id, membership.id)


async def end_runs(session: AsyncSession, tenant_id: UUID, because: str) -> int:
    """End what is under way. When the engine calls the next step, the answer is that the run has ended."""
    now = utcnow()
    open_steps = update(RunStep).where(col(RunStep.tenant_id) == tenant_id, col(RunStep.status) == RunStatus.RUNNING)
    await session.exec(open_steps.values(status=RunStatus.CANCELLED, ended_at=now))
    open_runs = update(Run).where(col(Run.tenant_id) == tenant_id, col(Run.status) == RunStatus.RUNNING)
    ended = open_runs.values(status=RunStatus.CANCELLED, ended_at=now, error=because)
    return (await session.exec(ended)).rowcount


async def ensure_membership(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> Membership:
    """The user's membership, active, made if need be."""
    query = select(Membership).where(col(Membership.tenant_id) == tenant_id, col(Membership.user_id) == user_id)
    found = (await session.exec(query)).one_or_none() or Membership(tenant_id=tenant_id, user_id=user_id)
    found.active = True
    session.add(found)
    await session.flush()
    return found


async def give_role(session: AsyncSession, membership: Membership, key: str) -> None:
    """Give the role of this key, if the member does not hold it.

    Raises:
        Invalid: there is no such role.
    """
    in_tenant = col(RoleRow.tenant_id) == membership.tenant_id
    role = (await session.exec(select(RoleRow).where(in_tenant, col(RoleRow.key) == key))).one_or_none()
    if role is None:
        raise invalid_field("roles", f"There is no role {key!r} in this organisation.", "unknown_role")
    held = select(MembershipRole).where(
        col(MembershipRole.membership_id) == membership.id, col(MembershipRole.role_id) == role.id
    )
    if (await session.exec(held)).one_or_none() is None:
        session.add(MembershipRole(tenant_id=membership.tenant_id, membership_id=membership.id, role_id=role.id))


def _told(tenant: Tenant, verb: str) -> AuditRecord:
    return AuditRecord(
        action=f"kernel.tenant.{verb}",
        object_kind="kernel.tenant",
        object_id=str(tenant.id),
        object_title=tenant.name,
        tenant_id=tenant.id,
    )
