"""How much an organisation may have and do: defaults of the installation, and what operators set for it alone."""

from collections.abc import Mapping

from sqlmodel import col, select

from riveredge_kernel.limits.requests import PER_DAY, PER_MINUTE
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
        limit = await self.limit_of(quota)
        if limit is None:
            return
        # One at a time for a tenant, so that two do not both find room; who refers to the row is not kept waiting.
        mine = select(Tenant.id).where(col(Tenant.id) == current_tenant())
        await session().exec(mine.with_for_update(key_share=True))
        used = await found.count()
        if used + adding > limit:
            unit = " bytes" if found.unit == "bytes" else ""
            raise QuotaExceeded(
                f"{found.title}: the organisation may have {limit}{unit}, and has {used}. Delete some, or ask the "
                "operators for more.",
                extensions={"quota": quota, "limit": limit, "used": used},
            )

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
