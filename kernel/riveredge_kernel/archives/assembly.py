"""The parts that make, hand out and take in archives, put together."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from riveredge_kernel.archives.collect import collect
from riveredge_kernel.archives.exports import export_router
from riveredge_kernel.archives.import_routes import import_router
from riveredge_kernel.archives.imports import TenantImport
from riveredge_kernel.archives.manifest import Chunk
from riveredge_kernel.archives.models import Archive, ArchiveKind
from riveredge_kernel.archives.personal import PersonalData
from riveredge_kernel.archives.personal_routes import PersonalRequests, personal_routers
from riveredge_kernel.archives.receiving import Imports
from riveredge_kernel.archives.work import ArchiveWork, Maker
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.db.database import Database
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.operator_routes import Operators
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec
from riveredge_sdk.http import Router
from riveredge_sdk.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveParts:
    """What is made of an organisation's data, or of a person's."""

    work: ArchiveWork
    imports: Imports
    requests: PersonalRequests
    operators: Operators

    @classmethod
    def assemble(
        cls,
        settings: Settings,
        database: Database,
        runtime: Runtime,
        plugins: PluginHost,
        tenants: TenantDirectory,
        *,
        grants: Grants,
    ) -> "ArchiveParts":
        """The parts, made in the order in which they need each other."""

        def tenant_export(_archive: Archive) -> AsyncGenerator[Chunk, None]:
            return collect(settings, plugins)

        personal = PersonalData(runtime, plugins, grants, hook_seconds=settings.plugins.hook_timeout)
        makers: dict[str, Maker] = {
            ArchiveKind.TENANT_EXPORT: tenant_export,
            ArchiveKind.PERSONAL_EXPORT: personal.export,
            ArchiveKind.PERSONAL_ERASURE: personal.erase,
        }
        return cls(
            work=ArchiveWork(database, runtime, makers),
            requests=PersonalRequests(grants),
            imports=Imports(database, runtime, tenants, TenantImport(settings, database, runtime, plugins)),
            operators=Operators(settings.ops, database, tenants),
        )

    def routers(self) -> list[Router]:
        """The routes."""
        return [export_router(), *personal_routers(self.requests)]

    def operator_routers(self) -> list[Router]:
        """The operators' routes."""
        return [import_router(self.imports)]

    def functions(self) -> list[FunctionSpec[Any]]:
        """The durable functions."""

        async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> int:
            archives: int = await ctx.step.run("expire", self.work.expire)
            imports: int = await ctx.step.run("expire-imports", self.imports.expire)
            return archives + imports

        return [
            *self.work.functions(),
            *self.imports.functions(),
            FunctionSpec(
                id="kernel.archive_housekeeping",
                title="Delete the contents of archives whose time is over",
                trigger=Cron("29 3 * * *"),
                handler=housekeeping,
                system=True,
            ),
        ]
