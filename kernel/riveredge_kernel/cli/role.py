"""`riveredge role`: the roles of an organisation."""

from typing import Annotated

import typer
from sqlmodel import col, select

from riveredge_kernel.auth.models import MembershipRole, RoleRow
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.roles import RoleService
from riveredge_kernel.cli.common import out, wide_table
from riveredge_kernel.cli.operator import in_tenant
from riveredge_kernel.platform import Platform
from riveredge_sdk.uow import session

app = typer.Typer(help="See roles, and take over what plugins suggest.", no_args_is_help=True)

TenantSlug = Annotated[str, typer.Argument(help="The organisation's short name.")]


@app.command(name="list")
def list_roles(tenant: TenantSlug) -> None:
    """The roles, and what they allow."""

    async def do(_platform: Platform) -> None:
        held = [row.role_id for row in await session().exec(select(MembershipRole))]
        table = wide_table("key", "title", "members", "allows")
        for role in await session().exec(select(RoleRow).order_by(col(RoleRow.key))):
            allows = "everything" if role.key == ADMINISTRATOR else "\n".join(role.permissions)
            table.add_row(role.key, role.title, str(held.count(role.id)), allows)
        out.print(table)

    in_tenant(tenant, do)


@app.command()
def templates(tenant: TenantSlug) -> None:
    """The roles that plugins suggest, and what the organisation has made of them."""

    async def do(platform: Platform) -> None:
        table = wide_table("key", "title", "here")
        for found in await RoleService(platform.plugins, platform.auth.grants).templates():
            here = "missing" if found.role_id is None else "changed" if found.changed else "as suggested"
            table.add_row(found.key, found.title, here)
        out.print(table)

    in_tenant(tenant, do)


@app.command()
def apply(tenant: TenantSlug, key: Annotated[str, typer.Argument(help="The suggested role's key.")]) -> None:
    """Create a suggested role, or give it the suggested permissions again."""

    async def do(platform: Platform) -> None:
        await RoleService(platform.plugins, platform.auth.grants).apply(key)

    in_tenant(tenant, do)
    out.print(f"{tenant} has {key} as the plugin suggests it.")
