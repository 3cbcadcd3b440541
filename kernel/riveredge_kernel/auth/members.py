"""`/api/v1/members`, `/api/v1/roles` and `/api/v1/permissions`: who may do what in an organisation."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.provisioning import checked_email
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import Body, ExpectedVersion, ListQuery, Page, Resource, Router
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import Conflict, FieldError, Invalid, invalid_field
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session

RoleKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]


class RoleOut(Resource):
    """A named set of permissions. The administrator's holds every permission there is, whatever it lists."""

    key: str
    title: str
    permissions: list[str]


class RoleIn(Body):
    """A new role."""

    key: RoleKey
    title: Annotated[str, Field(min_length=1, max_length=200)]
    permissions: Annotated[list[str], Field(max_length=1000, default_factory=list)]


class RoleChange(Body):
    """What may change about a role."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    permissions: Annotated[list[str], Field(max_length=1000)] | None = None


class MemberOut(Resource):
    """A user in this organisation, with the keys of their roles."""

    user_id: UUID
    active: bool
    email: str = ""
    name: str = ""
    roles: Annotated[list[str], Field(default_factory=list)]


class MemberIn(Body):
    """Add a user by e-mail address; one who is new to the platform cannot sign in before a password is set."""

    email: Annotated[str, Field(max_length=254)]
    name: Annotated[str, Field(max_length=200)] = ""
    roles: Annotated[list[RoleKey], Field(max_length=100, default_factory=list)]


class MemberChange(Body):
    """What may change about a member."""

    active: bool | None = None
    roles: Annotated[list[RoleKey], Field(max_length=100)] | None = None


class PermissionOut(BaseModel):
    """Something that a role can allow."""

    id: str
    title: str
    description: str


class Roles(Repository[RoleRow]):
    """Roles of the current tenant."""

    model = RoleRow
    fields = (FilterField("key", "text", RoleRow.key), FilterField("title", "text", RoleRow.title))
    default_sort = "key"


class Members(Repository[Membership]):
    """Members of the current tenant."""

    model = Membership
    fields = (
        FilterField("user_id", "uuid", Membership.user_id),
        FilterField("active", "boolean", Membership.active),
    )


def members_routers(plugins: PluginHost, grants: Grants) -> list[Router]:
    """The routes."""
    return [_permission_router(plugins), _role_router(grants), _member_router(grants)]


def _permission_router(plugins: PluginHost) -> Router:
    router = Router(prefix="/permissions", tag="Members and roles")

    @router.get(require="kernel.member.read", summary="Every permission there is")
    async def list_permissions() -> list[PermissionOut]:
        return [PermissionOut(**_fields(c.item)) for c in plugins.collect(Plugin.permissions)]

    def _fields(item: object) -> dict[str, str]:
        return {name: getattr(item, name) for name in ("id", "title", "description")}

    return router


def _role_router(grants: Grants) -> Router:
    router = Router(prefix="/roles", tag="Members and roles")
    roles = Roles()

    def check(permissions: Iterable[str] | None) -> None:
        unknown = [
            FieldError(f"permissions.{index}", f"There is no permission {name[:100]!r}.", "unknown_permission")
            for index, name in enumerate(permissions or ())
            if name not in grants.everything()
        ]
        if unknown:
            raise Invalid(f"{len(unknown)} unknown permission(s); GET /api/v1/permissions lists them.", errors=unknown)

    @router.get(require="kernel.member.read", summary="List roles")
    async def list_roles(query: Annotated[ListQuery, Query()]) -> Page[RoleOut]:
        return await roles.page(query, into=RoleOut)

    @router.get("/{role_id}", require="kernel.member.read", summary="One role")
    async def get_role(role_id: UUID) -> RoleOut:
        return RoleOut.model_validate(await roles.get(role_id))

    @router.post(require="kernel.member.write", summary="Create a role")
    async def create_role(body: RoleIn) -> RoleOut:
        check(body.permissions)
        return RoleOut.model_validate(await roles.add(RoleRow(**body.model_dump())))

    @router.patch("/{role_id}", require="kernel.member.write", summary="Change a role")
    async def change_role(role_id: UUID, body: RoleChange, version: ExpectedVersion) -> RoleOut:
        check(body.permissions)
        role = await roles.get(role_id, version=version, lock=True)
        changed = RoleOut.model_validate(await roles.change(role, body.given()))
        grants.invalidate()
        return changed

    @router.delete("/{role_id}", require="kernel.member.write", summary="Delete a role that nobody holds")
    async def delete_role(role_id: UUID, version: ExpectedVersion) -> None:
        role = await roles.get(role_id, version=version, lock=True)
        if role.key == ADMINISTRATOR:
            raise Conflict("The administrator's role stays: without it nobody could mend anything.")
        held = select(MembershipRole.id).where(col(MembershipRole.role_id) == role_id).limit(1)
        if (await session().exec(held)).first() is not None:
            raise Conflict("Members hold this role. Take it from them first.")
        await roles.delete(role)

    return router


async def _complete(found: list[MemberOut]) -> list[MemberOut]:
    """Fill in names and roles."""
    ids = [member.id for member in found]
    users = await session().exec(select(User).where(col(User.id).in_([m.user_id for m in found])))
    by_id = {user.id: user for user in users}
    held = await session().exec(
        select(MembershipRole.membership_id, RoleRow.key)
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(MembershipRole.membership_id).in_(ids))
        .order_by(col(RoleRow.key))
    )
    keys: dict[UUID, list[str]] = {}
    for membership_id, key in held:
        keys.setdefault(membership_id, []).append(key)
    for member in found:
        user = by_id[member.user_id]
        member.email, member.name, member.roles = user.email, user.name, keys.get(member.id, [])
    return found


async def _out(member: Membership) -> MemberOut:
    return (await _complete([MemberOut.model_validate(member)]))[0]


async def _give(member: Membership, keys: list[str]) -> None:
    found = {role.key: role for role in await Roles().all(col(RoleRow.key).in_(keys))}
    if unknown := [key for key in keys if key not in found]:
        raise invalid_field("roles", f"There is no role {unknown[0]!r} here.", "unknown_role")
    await session().exec(delete(MembershipRole).where(col(MembershipRole.membership_id) == member.id))
    session().add_all(MembershipRole(membership_id=member.id, role_id=role.id) for role in found.values())
    await session().flush()


async def _keep_an_administrator() -> None:
    # One change at a time: two that each take away another administrator would not see each other.
    role = select(RoleRow).where(col(RoleRow.key) == ADMINISTRATOR)
    await session().exec(role.with_for_update())
    held = (
        select(Membership.id)
        .join(MembershipRole, col(MembershipRole.membership_id) == col(Membership.id))
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(RoleRow.key) == ADMINISTRATOR, col(Membership.active).is_(True))
        .limit(1)
    )
    if (await session().exec(held)).first() is None:
        raise Conflict("An organisation keeps at least one active administrator.")


def _member_router(grants: Grants) -> Router:
    router = Router(prefix="/members", tag="Members and roles")
    members = Members()

    @router.get(require="kernel.member.read", summary="List members")
    async def list_members(query: Annotated[ListQuery, Query()]) -> Page[MemberOut]:
        page = await members.page(query, into=MemberOut)
        await _complete(page.items)
        return page

    @router.get("/{member_id}", require="kernel.member.read", summary="One member")
    async def get_member(member_id: UUID) -> MemberOut:
        return await _out(await members.get(member_id))

    @router.post(require="kernel.member.write", summary="Add a member")
    async def create_member(body: MemberIn) -> MemberOut:
        email = checked_email(body.email)
        user = (await session().exec(select(User).where(col(User.email) == email))).one_or_none()
        if user is None:
            user = User(email=email, name=body.name or email.partition("@")[0])
            session().add(user)
            await session().flush()
        elif await members.find(col(Membership.user_id) == user.id) is not None:
            raise Conflict(f"{email} is a member already.")
        member = await members.add(Membership(user_id=user.id))
        await _give(member, body.roles)
        grants.invalidate()
        return await _out(member)

    @router.patch("/{member_id}", require="kernel.member.write", summary="Change a member's roles or state")
    async def change_member(member_id: UUID, body: MemberChange, version: ExpectedVersion) -> MemberOut:
        member = await members.get(member_id, version=version, lock=True)
        if body.roles is not None:
            await _give(member, body.roles)
        if body.active is not None:
            await members.change(member, {"active": body.active})
        await _keep_an_administrator()
        grants.invalidate()
        return await _out(member)

    @router.delete("/{member_id}", require="kernel.member.write", summary="Remove a member")
    async def delete_member(member_id: UUID, version: ExpectedVersion) -> None:
        member = await members.get(member_id, version=version, lock=True)
        await session().exec(delete(MembershipRole).where(col(MembershipRole.membership_id) == member.id))
        await members.delete(member)
        await _keep_an_administrator()
        grants.invalidate()

    return router
