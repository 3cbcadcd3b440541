"""`/api/v1/roles` and `/api/v1/permissions`: what can be allowed, and the organisation's bundles of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlmodel import col, select

from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.key_models import ServiceAccountRole
from riveredge_kernel.auth.models import MembershipRole, RoleRow
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.schemas import PermissionOut, RoleChange, RoleIn, RoleOut, RoleTemplateOut
from riveredge_kernel.plugins.contributed import Contributed
from riveredge_kernel.plugins.host import PluginHost
from riveredge_sdk.contributions import Role
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import Conflict, NotFound
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session

TAG = "Members and roles"


class Roles(Repository[RoleRow]):
    """Roles of the current tenant."""

    model = RoleRow
    fields = (FilterField("key", "text", RoleRow.key), FilterField("title", "text", RoleRow.title))
    default_sort = "key"


def permission_router(plugins: PluginHost) -> Router:
    """The list of permissions."""
    router = Router(prefix="/permissions", tag=TAG)

    @router.get(require="kernel.member.read", summary="Every permission there is")
    async def list_permissions() -> list[PermissionOut]:
        return [
            PermissionOut(id=c.item.id, plugin=c.plugin_id, title=c.item.title, description=c.item.description)
            for c in plugins.collect(Plugin.permissions)
        ]

    return router


class RoleService:
    """The current tenant's roles, and what plugins suggest."""

    def __init__(self, plugins: PluginHost, grants: Grants) -> None:
        self._plugins = plugins
        self._grants = grants
        self._rules = Delegation(grants)
        self.roles = Roles()

    async def create(self, body: RoleIn) -> RoleOut:
        """A role of the tenant's own.

        Raises:
            Forbidden: it would hold what its creator does not.
            Invalid: there is no such permission.
        """
        self._rules.known(body.permissions)
        self._rules.held(body.permissions)
        return RoleOut.model_validate(await self.roles.add(RoleRow(**_tidy(body.model_dump()))))

    async def change(self, role_id: UUID, body: RoleChange, version: int) -> RoleOut:
        """Another title, other permissions.

        Raises:
            Conflict: it is the administrator's.
            Forbidden: a permission put in or taken out is not held by the one who does it.
        """
        role = await self.roles.get(role_id, version=version, lock=True)
        if body.permissions is not None:
            if role.key == ADMINISTRATOR:
                raise Conflict("The administrator's role holds every permission there is; that cannot be changed.")
            # A permission that the role has already may stay, even if its plugin is gone.
            self._rules.known(name for name in body.permissions if name not in role.permissions)
            self._rules.moved(role.permissions, body.permissions)
        changed = RoleOut.model_validate(await self.roles.change(role, _tidy(body.given())))
        self._grants.invalidate()
        return changed

    async def delete(self, role_id: UUID, version: int) -> None:
        """Delete a role.

        Raises:
            Conflict: somebody holds it, or it is the administrator's.
        """
        role = await self.roles.get(role_id, version=version, lock=True)
        if role.key == ADMINISTRATOR:
            raise Conflict("The administrator's role stays: without it nobody could mend anything.")
        for holding in (MembershipRole, ServiceAccountRole):
            held = select(holding).where(col(holding.role_id) == role_id).limit(1)
            if (await session().exec(held)).first() is not None:
                raise Conflict("Members or service accounts hold this role. Take it from them first.")
        await self.roles.delete(role)

    async def templates(self) -> list[RoleTemplateOut]:
        """What the plugins suggest, beside what the tenant has."""
        rows = {row.key: row for row in await self.roles.all()}
        return [_template(found, rows.get(found.item.id)) for found in self._plugins.collect(Plugin.roles)]

    async def apply(self, key: str) -> RoleOut:
        """Create the suggested role, or give the tenant's role of this key the suggested permissions again.

        Raises:
            Forbidden: a permission that this moves is not held by the one who does it.
            NotFound: no plugin suggests it.
        """
        template = next((c.item for c in self._plugins.collect(Plugin.roles) if c.item.id == key), None)
        if template is None:
            raise NotFound(f"No plugin suggests a role {key[:100]!r}.")
        found = await self.roles.find(col(RoleRow.key) == key)
        row = await self.roles.get(found.id, lock=True) if found else RoleRow(key=key, title=template.title)
        self._rules.moved(row.permissions, template.permissions)
        row.permissions = sorted(template.permissions)
        added = await self.roles.add(row)
        self._grants.invalidate()
        return RoleOut.model_validate(added)


def role_router(service: RoleService) -> Router:
    """The routes."""
    router = Router(prefix="/roles", tag=TAG, audit="kernel.role")
    roles = service.roles

    @router.get(require="kernel.member.read", summary="List roles")
    async def list_roles(query: Annotated[ListQuery, Query()]) -> Page[RoleOut]:
        return await roles.page(query, into=RoleOut)

    # Before /{role_id}, which would take the word for an id.
    @router.get("/templates", require="kernel.member.read", summary="Roles that plugins suggest")
    async def list_role_templates() -> list[RoleTemplateOut]:
        return await service.templates()

    @router.post("/templates/{key}/apply", require="kernel.role.write", status=200, summary="Take over a suggestion")
    async def apply_role_template(key: str) -> RoleOut:
        """Create the role, or give an existing one of this key the suggested permissions again."""
        return await service.apply(key)

    @router.get("/{role_id}", require="kernel.member.read", summary="One role")
    async def get_role(role_id: UUID) -> RoleOut:
        return RoleOut.model_validate(await roles.get(role_id))

    @router.post(require="kernel.role.write", summary="Create a role")
    async def create_role(body: RoleIn) -> RoleOut:
        return await service.create(body)

    @router.patch("/{role_id}", require="kernel.role.write", summary="Change a role")
    async def change_role(role_id: UUID, body: RoleChange, version: ExpectedVersion) -> RoleOut:
        return await service.change(role_id, body, version)

    @router.delete("/{role_id}", require="kernel.role.write", summary="Delete a role that nobody holds")
    async def delete_role(role_id: UUID, version: ExpectedVersion) -> None:
        await service.delete(role_id, version)

    return router


def _template(found: Contributed[Role], row: RoleRow | None) -> RoleTemplateOut:
    role = found.item
    permissions = sorted(role.permissions)
    return RoleTemplateOut(
        key=role.id,
        plugin=found.plugin_id,
        title=role.title,
        description=role.description,
        permissions=permissions,
        role_id=row.id if row else None,
        changed=row is not None and sorted(row.permissions) != permissions,
    )


def _tidy(values: dict[str, Any]) -> dict[str, Any]:
    """Permissions as a sorted set, as they are kept."""
    permissions = values.get("permissions")
    return {**values, "permissions": sorted(set(permissions))} if permissions is not None else values
