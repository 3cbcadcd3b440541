"""The tenants, as every request needs them: cached for a few seconds, so that a switch takes effect soon everywhere."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
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
_NEVER: tuple[float, None] = (float("-inf"), None)


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


# Of the running unit of work alone: others go by what is committed.
_foreseen: ContextVar[TenantInfo | None] = ContextVar("riveredge_foreseen_tenant", default=None)


@contextmanager
def foresee(tenant: TenantInfo) -> Iterator[None]:
    """For the block, which changes or makes the tenant, it is what it will be once the unit of work is committed."""
    token = _foreseen.set(tenant)
    try:
        yield
    finally:
        _foreseen.reset(token)


class TenantDirectory:
    """Finds tenants."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self.runtime = runtime
        self._known: dict[UUID, tuple[float, TenantInfo]] = {}
        self._generation = 0

    async def get(self, tenant_id: UUID) -> TenantInfo | None:
        """The tenant, or None."""
        foreseen = _foreseen.get()
        if foreseen is not None and foreseen.id == tenant_id:
            return foreseen
        found = self._known.get(tenant_id)
        if found is not None and time.monotonic() - found[0] < CACHE_SECONDS:
            return found[1]
        return await self._load(col(Tenant.id) == tenant_id)

    async def by_slug(self, slug: str) -> TenantInfo | None:
        """The tenant of this name, or None."""
        return await self._load(col(Tenant.slug) == slug)

    async def active(self) -> Sequence[TenantInfo]:
        """All that are not suspended. Read anew, and not kept: there may be many."""
        async with self._database.lookup("tenant directory", self.runtime) as session:
            rows = (await session.exec(select(Tenant).where(col(Tenant.status) == TenantStatus.ACTIVE))).all()
            switches = (await session.exec(select(TenantPlugin))).all()
        return _with_switches(rows, switches)

    async def get_many(self, tenant_ids: Collection[UUID]) -> dict[UUID, TenantInfo]:
        """Those of them that there are, by id: what is not known is looked up all at once."""
        fresh = time.monotonic() - CACHE_SECONDS
        missing = [each for each in tenant_ids if self._known.get(each, _NEVER)[0] <= fresh]
        generation = self._generation
        if missing:
            async with self._database.lookup("tenant directory", self.runtime) as session:
                rows = (await session.exec(select(Tenant).where(col(Tenant.id).in_(missing)))).all()
                query = select(TenantPlugin).where(col(TenantPlugin.tenant_id).in_(missing))
                switches = (await session.exec(query)).all()
                kept = select(TenantSettingsRow).where(
                    col(TenantSettingsRow.tenant_id).in_(missing), col(TenantSettingsRow.plugin) == KERNEL
                )
                policies = {row.tenant_id: row.values for row in await session.exec(kept)}
            for info in _with_switches(rows, switches, policies):
                self._remember(info, generation)
        return {each: self._known[each][1] for each in tenant_ids if each in self._known}

    def peek(self, tenant_id: UUID) -> TenantInfo | None:
        """What was last known of a tenant; the one being served is always known."""
        foreseen = _foreseen.get()
        if foreseen is not None and foreseen.id == tenant_id:
            return foreseen
        found = self._known.get(tenant_id)
        return found[1] if found else None

    def invalidate(self, tenant_id: UUID) -> None:
        """Read it anew the next time, and keep nothing that is being read right now."""
        self._generation += 1
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
        async with self._database.lookup("tenant directory", self.runtime) as session:
            row = (await session.exec(select(Tenant).where(condition))).one_or_none()
            if row is None:
                return None
            query = select(TenantPlugin).where(col(TenantPlugin.tenant_id) == row.id)
            switches = (await session.exec(query)).all()
            kept = select(TenantSettingsRow).where(
                col(TenantSettingsRow.tenant_id) == row.id, col(TenantSettingsRow.plugin) == KERNEL
            )
            policies = {found.tenant_id: found.values for found in await session.exec(kept)}
        (info,) = _with_switches([row], switches, policies)
        self._remember(info, generation)
        return info

    def _remember(self, info: TenantInfo, generation: int) -> None:
        # What was read before a change may arrive after it, and is good for this once only.
        self._known[info.id] = (time.monotonic() if generation == self._generation else float("-inf"), info)


def _with_switches(
    rows: Iterable[Tenant], switches: Iterable[TenantPlugin], policies: Mapping[UUID, Any] | None = None
) -> list[TenantInfo]:
    """What is known of tenants. Without `policies`, theirs are the defaults."""
    by_tenant: dict[UUID, dict[str, bool]] = {}
    for switch in switches:
        by_tenant.setdefault(switch.tenant_id, {})[switch.plugin] = switch.enabled
    return [
        TenantInfo(
            row.id,
            row.slug,
            row.name,
            row.status,
            row.locale,
            row.timezone,
            by_tenant.get(row.id, {}),
            row.quotas,
            read_policy(policies.get(row.id)) if policies is not None else OrganisationPolicy(),
        )
        for row in rows
    ]
