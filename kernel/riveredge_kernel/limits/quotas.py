"""How much an organisation may have and do: defaults of the installation, and what operators set for it alone."""

from collections.abc import Mapping

from sqlmodel import col, select

from riveredge_kernel.limits.own import STORAGE
from riveredge_kernel.limits.requests import PER_DAY, PER_MINUTE
from riveredge_kernel.limits.told import tell
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import QuotaSettings
from riveredge_kernel.tenancy.directory import TenantDirectory, TenantInfo
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.context import current_tenant
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.quotas import Quota, QuotaExceeded
from riveredge_sdk.uow import session

REQUESTS = {PER_MINUTE: "Requests a minute", PER_DAY: "Requests a day"}


class QuotaBook:
    """Implements `riveredge_sdk.quotas.Quotas`."""

    def __init__(self, settings: QuotaSettings, plugins: PluginHost, tenants: TenantDirectory) -> None:
        self._defaults: dict[str, int] = dict(settings.limits)
        for quota, limit in ((PER_MINUTE, settings.requests_per_minute), (PER_DAY, settings.requests_per_day)):
            if limit is not None:
                self._defaults[quota] = limit
        self._plugins = plugins
        self._tenants = tenants

    def contributed(self) -> list[Quota]:
        """What the plugins count."""
        return [c.item for c in self._plugins.collect(Plugin.quotas)]

    def titles(self) -> dict[str, str]:
        """Every quota there is, by id."""
        return REQUESTS | {quota.id: quota.title for quota in self.contributed()}

    def requests(self, tenant: TenantInfo) -> Mapping[str, int | None]:
        """The limits of requests: what operators set for the tenant, else the installation's."""
        if not tenant.quotas:
            return self._defaults
        return {**self._defaults, **tenant.quotas}

    def limit(self, quota: str, own: Mapping[str, int | None], default: int | None = None) -> int | None:
        """What holds: the tenant's own limit, else the installation's, else the plugin's; None for none."""
        if quota in own:
            return own[quota]
        return self._defaults.get(quota, default)

    async def claim(self, quota: str, adding: int) -> None:
        """See `riveredge_sdk.quotas.claim_quota`."""
        found = self._find(quota)
        if found.count is None:
            raise LookupError(f"the quota {quota!r} cannot be counted: ask for its quota_limit")
        concerned = [found, self._find(STORAGE)] if found.unit == "bytes" else [found]
        limits = {one.id: await self.limit_of(one.id) for one in concerned}
        if not any(limit is not None for limit in limits.values()):
            return
        # One at a time for a tenant, so that two do not both find room; who refers to the row is not kept waiting.
        mine = select(Tenant.id).where(col(Tenant.id) == current_tenant())
        await session().exec(mine.with_for_update(key_share=True))
        for one in concerned:
            limit = limits[one.id]
            if limit is not None:
                await self._claim(one, limit, adding)

    async def _claim(self, quota: Quota, limit: int, adding: int) -> None:
        used = await self.used(quota) or 0
        fits = used + adding <= limit
        name = "storage" if quota.id == STORAGE else quota.id
        tell(name, quota.unit, limit, max(limit - used - (adding if fits else 0), 0))
        if not fits:
            unit = " bytes" if quota.unit == "bytes" else ""
            raise QuotaExceeded(
                f"{quota.title}: the organisation may have {limit}{unit}, and has {used}. Delete some, or ask the "
                "operators for more.",
                extensions={"quota": quota.id, "limit": limit, "used": used},
            )

    async def used(self, quota: Quota) -> int | None:
        """How much of it the current tenant has, counted in the running unit of work; None for what is not counted."""
        if quota.id == STORAGE:
            return sum([await one.count() for one in self.contributed() if one.unit == "bytes" and one.count])
        return await quota.count() if quota.count else None

    async def limit_of(self, quota: str) -> int | None:
        """See `riveredge_sdk.quotas.quota_limit`."""
        found = self._find(quota)
        tenant = await self._tenants.get(current_tenant())
        return self.limit(quota, tenant.quotas if tenant else {}, found.default)

    def _find(self, quota: str) -> Quota:
        found = next((one for one in self.contributed() if one.id == quota), None)
        if found is None:
            raise LookupError(f"no plugin contributes the quota {quota!r}")
        return found
