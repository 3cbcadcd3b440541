"""`riveredge tenant`: create and manage organisations."""

from typing import Annotated

import typer
from rich.table import Table
from sqlmodel import col, select

from riveredge_kernel.cli.common import out, with_platform
from riveredge_kernel.platform import Platform
from riveredge_kernel.tenancy.models import Tenant, TenantStatus

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
        tenant_id = await platform.provisioning.create_tenant(slug, name or slug, locale=locale, timezone=timezone)
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
