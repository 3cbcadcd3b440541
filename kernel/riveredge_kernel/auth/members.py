"""`/api/v1/members`: who belongs to an organisation, with which roles, and why they may do what they may."""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field
from sqlalchemy import ColumnElement, delete
from sqlmodel import col, select

from riveredge_kernel.auth.delegation import Delegation, check_domain, keep_an_administrator, roles_by_key
from riveredge_kernel.auth.explain import Explainer, Holder
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.auth.leaving import tell_left
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.roles import TAG
from riveredge_kernel.auth.schemas import (
    Explanation,
    MemberChange,
    MemberIn,
    MemberOut,
    Obstacle,
    PermissionId,
    RoleKey,
)
from riveredge_kernel.tenancy.provisioning import checked_email
from riveredge_sdk.auth import current_principal
from riveredge_sdk.features.tenants import WhyLeft
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict, NotFound
from riveredge_sdk.quotas import claim_quota
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session


def _of_user(column: Any) -> Any:
    """A column of the member's account."""
    return select(column).where(col(User.id) == col(Membership.user_id)).correlate(Membership).scalar_subquery()


class MemberQuery(ListQuery):
    """What the list of members takes."""

    role: Annotated[RoleKey | None, Field(description="Only members who hold this role.")] = None


class Members(Repository[Membership]):
    """Members of the current tenant."""

    model = Membership
    fields = (
        FilterField("user_id", "uuid", Membership.user_id),
        FilterField("active", "boolean", Membership.active),
        FilterField("email", "text", _of_user(User.email)),
        FilterField("name", "text", _of_user(User.name)),
    )


async def _complete(found: list[MemberOut]) -> list[MemberOut]:
    """Fill in names and roles."""
    users = await session().exec(select(User).where(col(User.id).in_([m.user_id for m in found])))
    by_id = {user.id: user for user in users}
    held = await _roles_of([member.id for member in found])
    for member in found:
        user = by_id[member.user_id]
        member.email, member.name = user.email, user.name
        member.roles = [role.key for role in held.get(member.id, ())]
    return found


async def _roles_of(membership_ids: Iterable[UUID]) -> dict[UUID, list[RoleRow]]:
    found = await session().exec(
        select(MembershipRole.membership_id, RoleRow)
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(MembershipRole.membership_id).in_(membership_ids))
        .order_by(col(RoleRow.key))
    )
    held: dict[UUID, list[RoleRow]] = {}
    for membership_id, role in found:
        held.setdefault(membership_id, []).append(role)
    return held


async def roles_of_membership(membership_id: UUID) -> list[RoleRow]:
    """The roles that a member holds."""
    return (await _roles_of([membership_id])).get(membership_id, [])


async def _out(member: Membership) -> MemberOut:
    return (await _complete([MemberOut.model_validate(member)]))[0]


async def _give(member: Membership, held: list[RoleRow], wanted: list[RoleRow]) -> None:
    taken = {role.id for role in held} - {role.id for role in wanted}
    if taken:
        await session().exec(
            delete(MembershipRole).where(
                col(MembershipRole.membership_id) == member.id, col(MembershipRole.role_id).in_(taken)
            )
        )
    given = {role.id for role in wanted} - {role.id for role in held}
    session().add_all(MembershipRole(membership_id=member.id, role_id=role_id) for role_id in given)
    await session().flush()


class MemberService:
    """Who belongs to the current tenant, and with which roles."""

    def __init__(self, grants: Grants, explainer: Explainer) -> None:
        self._grants = grants
        self._rules = Delegation(grants)
        self._explainer = explainer
        self.members = Members()

    async def explain(self, member_id: UUID, permission: str | None) -> Explanation:
        """Why the member may, or may not."""
        member = await self.members.get(member_id)
        user = (await session().exec(select(User).where(col(User.id) == member.user_id))).one()
        roles = await roles_of_membership(member.id)
        holder = Holder(name=user.name, roles=roles, obstacles=obstacles(user, member))
        return await self._explainer.explain(holder, permission)

    async def add(self, body: MemberIn) -> MemberOut:
        """Make somebody a member, and a user if the address is new.

        Raises:
            Conflict: they are one already.
            Forbidden: a role allows more than the one who gives it may do, or there are as many as may be.
        """
        email = checked_email(body.email)
        await check_domain(email)
        await claim_quota("kernel.members")
        wanted = await roles_by_key(body.roles)
        self._rules.roles_held(wanted)
        user = (await session().exec(select(User).where(col(User.email) == email))).one_or_none()
        if user is None:
            user = User(email=email, name=body.name or email.partition("@")[0])
            session().add(user)
            await session().flush()
        elif user.password_hash is not None and user.email_verified_at is None:
            # Somebody else may have made the account and know its password.
            raise Conflict(f"The account of {email} has not confirmed its address. Send an invitation instead.")
        elif await self.members.find(col(Membership.user_id) == user.id) is not None:
            raise Conflict(f"{email} is a member already.")
        member = await self.members.add(Membership(user_id=user.id))
        await _give(member, [], wanted)
        self._grants.invalidate()
        return await _out(member)

    async def change(self, member_id: UUID, body: MemberChange, version: int) -> MemberOut:
        """Give and take roles, let in and keep out.

        Raises:
            Conflict: no administrator would be left.
            Forbidden: a role given or taken allows more than the one who does it may do.
        """
        member = await self.members.get(member_id, version=version, lock=True)
        held = await roles_of_membership(member.id)
        wanted = held if body.roles is None else await roles_by_key(body.roles)
        self._rules.roles_moved(held, wanted, switched=body.active is not None and body.active != member.active)
        was_active = member.active
        if body.roles is not None:
            # The roles belong to what a client sees as the member, so its version counts them.
            member.updated_at = utcnow()
            await _give(member, held, wanted)
        if body.active is not None:
            await self.members.change(member, {"active": body.active})
        if was_active and not member.active:
            tell_left(member.user_id, "switched_off")
        if was_active and _administers(held) and not (member.active and _administers(wanted)):
            await keep_an_administrator()
        self._grants.invalidate()
        return await _out(member)

    async def remove(self, member_id: UUID, version: int) -> None:
        """End the membership, and with it the member's API keys in this tenant.

        Raises:
            Conflict: no administrator would be left.
            Forbidden: the member may do more than the one who removes them.
        """
        member = await self.members.get(member_id, version=version, lock=True)
        self._rules.roles_held(await roles_of_membership(member.id))
        await self._end(member, "removed")

    async def leave(self) -> None:
        """End one's own membership, and with it one's API keys in this tenant.

        Raises:
            Conflict: no administrator would be left.
            NotFound: it is no member who asks, or no tenant is chosen.
        """
        principal = current_principal()
        mine = col(Membership.user_id) == principal.id
        found = await self.members.find(mine) if principal.tenant_id is not None else None
        if found is None:
            raise NotFound("Choose the organisation that you want to leave: POST /api/v1/auth/token with its name.")
        await self._end(await self.members.get(found.id, lock=True), "left")

    async def _end(self, member: Membership, why: WhyLeft) -> None:
        held = await roles_of_membership(member.id)
        await session().exec(delete(MembershipRole).where(col(MembershipRole.membership_id) == member.id))
        await session().exec(delete(ApiKey).where(col(ApiKey.user_id) == member.user_id))
        await self.members.delete(member)
        if member.active:
            tell_left(member.user_id, why)
        if member.active and _administers(held):
            await keep_an_administrator()
        self._grants.invalidate()


def _holding(role: str | None) -> list[ColumnElement[bool]]:
    """The condition for members who hold the role."""
    if role is None:
        return []
    held = (
        select(MembershipRole.membership_id)
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(RoleRow.key) == role)
    )
    return [col(Membership.id).in_(held)]


def _administers(roles: Iterable[RoleRow]) -> bool:
    return any(role.key == ADMINISTRATOR for role in roles)


def member_router(service: MemberService) -> Router:
    """The routes."""
    router = Router(prefix="/members", tag=TAG, audit="kernel.member")
    members = service.members

    @router.get(require="kernel.member.read", summary="List members")
    async def list_members(query: Annotated[MemberQuery, Query()]) -> Page[MemberOut]:
        page = await members.page(query, *_holding(query.role), into=MemberOut)
        await _complete(page.items)
        return page

    @router.get("/{member_id}", require="kernel.member.read", summary="One member")
    async def get_member(member_id: UUID) -> MemberOut:
        return await _out(await members.get(member_id))

    @router.get("/{member_id}/permissions", require="kernel.member.read", summary="Why may they?")
    async def explain_member(
        member_id: UUID, permission: Annotated[PermissionId | None, Query(description="Only this one.")] = None
    ) -> Explanation:
        """Every permission with the roles that grant it to this member, or with what is missing."""
        return await service.explain(member_id, permission)

    @router.post("/me/leave", signed_in=True, status=204, summary="Leave the organisation")
    async def leave_organisation() -> None:
        """Ends one's own membership, roles and API keys here. The account stays."""
        await service.leave()

    @router.post(require="kernel.member.write", summary="Add a member")
    async def create_member(body: MemberIn) -> MemberOut:
        return await service.add(body)

    @router.patch("/{member_id}", require="kernel.member.write", summary="Change a member's roles or state")
    async def change_member(member_id: UUID, body: MemberChange, version: ExpectedVersion) -> MemberOut:
        return await service.change(member_id, body, version)

    @router.delete("/{member_id}", require="kernel.member.write", summary="Remove a member")
    async def delete_member(member_id: UUID, version: ExpectedVersion) -> None:
        """Their API keys here go with them."""
        await service.remove(member_id, version)

    return router


def obstacles(user: User, member: Membership | None) -> list[Obstacle]:
    """What keeps the user from doing anything in the tenant."""
    found = []
    if not user.active:
        found.append(Obstacle(code="account_off", message="The operators have switched off this account."))
    if member is None or not member.active:
        found.append(Obstacle(code="membership_off", message="The membership in this organisation is switched off."))
    return found
