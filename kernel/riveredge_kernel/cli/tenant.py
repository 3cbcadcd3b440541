"""`riveredge tenant`: create and manage organisations."""

import os
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlmodel import col, select

from riveredge_kernel.archives.collect import collect
from riveredge_kernel.archives.imports import TenantImport
from riveredge_kernel.archives.manifest import ArchiveError
from riveredge_kernel.archives.zipping import ZipStream
from riveredge_kernel.audit.log import entry
from riveredge_kernel.cli.common import fail, out, wide_table, with_platform
from riveredge_kernel.cli.operator import in_tenant
from riveredge_kernel.limits.quota_routes import checked_limits, quotas_of
from riveredge_kernel.limits.quotas import QuotaBook
from riveredge_kernel.platform import Platform
from riveredge_kernel.tenancy import deletion
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context, use_context

app = typer.Typer(help="Create and manage organisations.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The organisation's short name.")]


@app.command()
def create(
    slug: Slug,
    name: Annotated[str, typer.Option(help="Its full name.")] = "",
    locale: Annotated[str, typer.Option(help="en or zh-CN.")] = "en",
    timezone: Annotated[str, typer.Option(help="An IANA zone.")] = "UTC",
) -> None:
    """Create an organisation, with the roles that the plugins suggest."""

    async def do(platform: Platform) -> None:
        tenant_id = await platform.provisioning.create_tenant(
            slug, name or slug, locale=locale, timezone=timezone, by_operator=True
        )
        out.print(f"Created {slug} ({tenant_id}). Now: riveredge user add {slug} you@example.com --admin")

    with_platform(do)


@app.command(name="list")
def list_tenants() -> None:
    """Every organisation."""

    async def do(platform: Platform) -> None:
        table = Table("slug", "name", "status", "locale", "zone", "id")
        async with platform.database.system("list tenants", platform.runtime, read_only=True) as session:
            for row in await session.exec(select(Tenant).order_by(col(Tenant.slug))):
                table.add_row(row.slug, row.name, row.status, row.locale, row.timezone, str(row.id))
        out.print(table)

    with_platform(do)


@app.command()
def export(slug: Slug, target: Annotated[Path, typer.Argument(help="The ZIP file to write.")]) -> None:
    """Write everything that an organisation has into one file. Passwords and stored secrets are left out."""

    async def do(platform: Platform) -> None:
        tenant = await platform.provisioning.find_tenant(slug)
        context = Context(runtime=platform.runtime, tenant_id=tenant.id)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with draft.open("wb") as file, use_context(context):
                draft.chmod(0o600)
                stream, rows = ZipStream(), 0
                async with aclosing(collect(platform.settings, platform.plugins)) as chunks:
                    async for chunk in chunks:
                        rows += chunk.rows
                        file.write(stream.add(chunk))
                file.write(stream.close())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        await _tell(platform, tenant, "export")
        out.print(f"{rows} rows of {slug} are in {target}.")

    with_platform(do)


async def _tell(platform: Platform, tenant: Tenant, verb: str, **details: int) -> None:
    """Write an entry of the organisation's log."""
    told = AuditRecord(
        action=f"kernel.tenant.{verb}",
        object_kind="kernel.tenant",
        object_id=str(tenant.id),
        object_title=tenant.name,
        details=details,
        tenant_id=tenant.id,
    )
    async with platform.database.system("operator", platform.runtime) as session:
        session.add(entry(told, actor_kind="operator"))


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="The ZIP file of an export.", exists=True, dir_okay=False)],
    slug: Annotated[str | None, typer.Option(help="Its short name here; none: as it was.")] = None,
    name: Annotated[str | None, typer.Option(help="Its full name here; none: as it was.")] = None,
) -> None:
    """Bring an exported organisation in, whole or not at all. It is suspended then."""

    async def do(platform: Platform) -> None:
        imports = TenantImport(platform.settings, platform.database, platform.runtime, platform.plugins)
        try:
            done = await imports.run(source, slug=slug, name=name)
        except ArchiveError as error:
            fail(str(error))
            return
        if done.again:
            out.print(f"{done.slug} has come in before; nothing was done.")
            return
        out.print(f"{done.rows} rows and {done.people} people of {done.slug} ({done.tenant_id}) are in.")
        out.print(f"Look at it, then let it in: riveredge tenant resume {done.slug}")

    with_platform(do)


@app.command()
def delete(
    slug: Slug,
    days: Annotated[int, typer.Option(help="How long it can be taken back.", min=0, max=deletion.MAX_DAYS)] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Keep everybody of it out at once, and erase everything when the days are over."""
    if not yes:
        typer.confirm(f"Delete {slug}, with everything that it has, in {days} days?", abort=True)

    async def do(platform: Platform) -> None:
        tenant = await platform.provisioning.find_tenant(slug)
        async with platform.database.system("operator", platform.runtime) as session:
            asked = await deletion.request(session, tenant.id, timedelta(days=days))
        await _tell(platform, tenant, "delete", days=days)
        out.print(f"{slug} is suspended, and is erased at {asked.delete_at:%Y-%m-%d %H:%M} UTC.")
        out.print(f"Until then: riveredge tenant undelete {slug}")

    with_platform(do)


@app.command()
def undelete(slug: Slug) -> None:
    """Take a deletion back."""

    async def do(platform: Platform) -> None:
        tenant = await platform.provisioning.find_tenant(slug)
        async with platform.database.system("operator", platform.runtime) as session:
            await deletion.take_back(session, tenant.id)
        await _tell(platform, tenant, "undelete")
        out.print(f"{slug} is active again.")

    with_platform(do)


@app.command()
def quotas(slug: Slug) -> None:
    """What an organisation may have, and how much of it it has."""

    async def do(platform: Platform) -> None:
        tenant = await platform.provisioning.find_tenant(slug)
        book = QuotaBook(platform.settings.quotas, platform.plugins, platform.tenants)
        table = wide_table("quota", "title", "limit", "set for it", "used")
        for quota in await quotas_of(book, tenant.quotas):
            limit, used = ("–" if value is None else str(value) for value in (quota.limit, quota.used))
            table.add_row(quota.id, quota.title, limit, "yes" if quota.source == "organisation" else "no", used)
        out.print(table)

    in_tenant(slug, do)


@app.command()
def limit(
    slug: Slug,
    quota: Annotated[str, typer.Argument(help="Its id, as `riveredge tenant quotas` shows it.")],
    value: Annotated[str, typer.Argument(help="A number; none: no limit; default: as for everybody.")],
) -> None:
    """Set what an organisation may have."""
    if value not in {"none", "default"} and not value.isdecimal():
        fail("Expected a number, none or default.")

    async def do(platform: Platform) -> None:
        tenant = await platform.provisioning.find_tenant(slug)
        book = QuotaBook(platform.settings.quotas, platform.plugins, platform.tenants)
        own = {name: number for name, number in tenant.quotas.items() if name != quota}
        if value != "default":
            own[quota] = None if value == "none" else int(value)
        checked_limits(book, own)
        async with platform.database.system("operator", platform.runtime) as session:
            row = (await session.exec(select(Tenant).where(col(Tenant.id) == tenant.id).with_for_update())).one()
            row.quotas = own
        await _tell(platform, tenant, "limit")
        out.print(f"{quota} of {slug}: {value}. Running processes know within seconds.")

    with_platform(do)


def _set_status(slug: str, status: TenantStatus) -> None:
    async def do(platform: Platform) -> None:
        ended = await platform.provisioning.set_status(slug, status)
        out.print(f"{slug} is {status} now." + (f" {ended} runs were cancelled." if ended else ""))

    with_platform(do)


@app.command()
def suspend(slug: Slug) -> None:
    """Keep everybody of it out, cancel its runs, and let none begin. Data stays."""
    _set_status(slug, TenantStatus.SUSPENDED)


@app.command()
def resume(slug: Slug) -> None:
    """Let it in again."""
    _set_status(slug, TenantStatus.ACTIVE)
