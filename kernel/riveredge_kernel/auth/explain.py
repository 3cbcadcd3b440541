"""Why may she? Which roles allow what, and what stands in the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlmodel import col, select

from riveredge_kernel.auth.models import RoleRow
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.schemas import Explanation, Obstacle, PermissionExplained, RoleBrief
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_sdk.context import current_tenant
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import NotFound
from riveredge_sdk.uow import session


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody whose permissions are asked for. `scope` are the permissions of an API key, None without one."""

    name: str
    roles: Sequence[RoleRow]
    obstacles: Sequence[Obstacle] = field(default_factory=list)
    scope: frozenset[str] | None = None


class Explainer:
    """Explains permissions by the same rules as the gate decides."""

    def __init__(self, plugins: PluginHost, tenants: TenantDirectory) -> None:
        self._plugins = plugins
        self._tenants = tenants

    async def explain(self, holder: Holder, permission: str | None = None) -> Explanation:
        """Every permission there is, or one, for the holder in the current tenant.

        Raises:
            NotFound: there is no such permission, nor does a role name it.
        """
        tenant = await self._tenants.get(current_tenant())
        assert tenant is not None  # noqa: S101  (it is being served)
        obstacles = list(holder.obstacles)
        if tenant.status != TenantStatus.ACTIVE:
            obstacles.append(Obstacle(code="tenant_suspended", message="The organisation is suspended."))
        everywhere = (await session().exec(select(RoleRow).order_by(col(RoleRow.key)))).all()
        contributed = {c.item.id: c for c in self._plugins.collect(Plugin.permissions)}
        # Roles may still name permissions of a plugin that has been removed.
        names = [*contributed, *sorted({name for role in everywhere for name in role.permissions} - contributed.keys())]
        if permission is not None:
            if permission not in names:
                raise NotFound(f"There is no permission {permission[:200]!r}; GET /api/v1/permissions lists them.")
            names = [permission]
        held = {role.id for role in holder.roles}
        explained = []
        for name in names:
            found = contributed.get(name)
            granting = [r for r in everywhere if name in r.permissions or (found and r.key == ADMINISTRATOR)]
            on = found is not None and is_on(self._plugins, found.plugin_id, tenant.switches)
            one = PermissionExplained(
                id=name,
                title=found.item.title if found else "",
                plugin=found.plugin_id if found else None,
                allowed=False,
                code="granted",
                reason="",
                granted_by=_brief(role for role in granting if role.id in held),
                offered_by=_brief(role for role in granting if role.id not in held),
            )
            explained.append(_decide(one, holder, on=on, obstacles=obstacles))
        return Explanation(
            name=holder.name,
            active=not obstacles,
            obstacles=obstacles,
            roles=_brief(holder.roles),
            permissions=explained,
        )


def _brief(roles: Iterable[RoleRow]) -> list[RoleBrief]:
    return [RoleBrief(id=role.id, key=role.key, title=role.title) for role in roles]


def _decide(
    one: PermissionExplained, holder: Holder, *, on: bool, obstacles: Sequence[Obstacle]
) -> PermissionExplained:
    if one.plugin is None:
        return one.model_copy(update={"code": "unknown", "reason": "No plugin that is installed checks it."})
    if not one.granted_by:
        offers = ", ".join(role.title for role in one.offered_by)
        hint = f" These would allow it: {offers}." if offers else " No role of the organisation does."
        return one.model_copy(update={"code": "no_role", "reason": f"None of the roles held allows it.{hint}"})
    if holder.scope is not None and one.id not in holder.scope:
        return one.model_copy(
            update={"code": "not_in_key", "reason": "The owner may, but the API key does not name it."}
        )
    if not on:
        reason = f"The plugin {one.plugin!r} is switched off for this organisation."
        return one.model_copy(update={"code": "plugin_off", "reason": reason})
    if obstacles:
        return one.model_copy(update={"code": "blocked", "reason": obstacles[0].message})
    granted = ", ".join(role.title for role in one.granted_by)
    return one.model_copy(update={"allowed": True, "reason": f"Allowed by: {granted}."})
