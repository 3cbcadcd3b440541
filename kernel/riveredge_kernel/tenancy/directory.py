"""The tenants, as every request needs them: cached for a few seconds, so that a switch takes effect soon everywhere."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from riveredge_kernel.db.database import Database
from riveredge_kernel.plugins.discovery import KERNEL
from riveredge_kernel.tenancy.models import Tenant, TenantPlugin, TenantSettingsRow, TenantStatus
from riveredge_kernel.tenancy.policy import OrganisationPolicy, read_policy
from riveredge_sdk.runtime import Runtime

# Other processes learn of a change after this time; this one at once.
CACHE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant. `switches` are its own settings of plugins, by plugin id; `quotas` its own limits, by quota.

    `policy` is what it demands of its members.
    """

    id: UUID
    slug: str
    name: str
    status: str
    locale: str
    timezone: str
    switches: Mapping[str, bool]
    quotas: Mapping[str, int | None] = field(default_factory=dict)
    policy: OrganisationPolicy = field(default_factory=OrganisationPolicy)


class TenantDirectory:
    """Finds tenants."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self.runtime = runtime
        self._known: dict[UUID, tuple[float, TenantInfo]] = {}
        self._generation = 0

    async def get(self, tenant_id: UUID) -> TenantInfo | None:
        """The tenant, or None."""
        found = self._known.get(tenant_id)
        if found is not None and time.monotonic() - found[0] < CACHE_SECONDS:
            return found[1]
        return await self._load(col(Tenant.id) == tenant_id)

    async def by_slug(self, slug: str) -> TenantInfo | None:
        """The tenant of this name, or None."""
        return await self._load(col(Tenant.slug) == slug)

    async def active(self) -> Sequence[TenantInfo]:
        """All that are not suspended. Read anew, and not kept: there may be many."""
        async with self._database.system("tenant directory", self.runtime, read_only=True) as session:
            rows = (await session.exec(select(Tenant).where(col(Tenant.status) == TenantStatus.ACTIVE))).all()
            switches: dict[UUID, dict[str, bool]] = {}
            for switch in await session.exec(select(TenantPlugin)):
                switches.setdefault(switch.tenant_id, {})[switch.plugin] = switch.enabled
        return [_info(row, switches.get(row.id, {})) for row in rows]

    def peek(self, tenant_id: UUID) -> TenantInfo | None:
        """What was last known of a tenant; the one being served is always known."""
        found = self._known.get(tenant_id)
        return found[1] if found else None

    def invalidate(self, tenant_id: UUID) -> None:
        """Read it anew the next time."""
        found = self._known.get(tenant_id)
        if found is not None:
            self._known[tenant_id] = (float("-inf"), found[1])

    def invalidate_all(self) -> None:
        """Read all of them anew the next time."""
        self._generation += 1
        for tenant_id in self._known:
            self.invalidate(tenant_id)

    async def _load(self, condition: ColumnElement[bool]) -> TenantInfo | None:
        generation = self._generation
        async with self._database.system("tenant directory", self.runtime, read_only=True) as session:
            row = (await session.exec(select(Tenant).where(condition))).one_or_none()
            if row is None:
                return None
            query = select(TenantPlugin).where(col(TenantPlugin.tenant_id) == row.id)
            switches = {switch.plugin: switch.enabled for switch in await session.exec(query)}
            kept = select(TenantSettingsRow).where(
                col(TenantSettingsRow.tenant_id) == row.id, col(TenantSettingsRow.plugin) == KERNEL
            )
            policy = (await session.exec(kept)).one_or_none()
        info = _info(row, switches, read_policy(policy.values if policy else None))
        # What was read before a change may arrive after it, and is good for this once only.
        self._known[info.id] = (time.monotonic() if generation == self._generation else float("-inf"), info)
        return info


def _info(row: Tenant, switches: Mapping[str, bool], policy: OrganisationPolicy | None = None) -> TenantInfo:
    return TenantInfo(
        row.id,
        row.slug,
        row.name,
        row.status,
        row.locale,
        row.timezone,
        switches,
        row.quotas,
        policy or OrganisationPolicy(),
    )
