"""`riveredge api-key` and service accounts: programs that act in an organisation."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlmodel import col, select

from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.explain import Explainer
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount
from riveredge_kernel.auth.key_schemas import ApiKeyIn, ServiceAccountIn
from riveredge_kernel.auth.key_service import KeyService
from riveredge_kernel.auth.service_accounts import ServiceAccountService
from riveredge_kernel.cli.common import out, wide_table
from riveredge_kernel.cli.operator import in_tenant
from riveredge_kernel.platform import Platform
from riveredge_sdk.http import ListQuery
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import NotFound
from riveredge_sdk.uow import session

app = typer.Typer(help="See, make and revoke API keys.", no_args_is_help=True)

TenantSlug = Annotated[str, typer.Argument(help="The organisation's short name.")]


def _keys(platform: Platform) -> KeyService:
    return KeyService(platform.auth.keys, Delegation(platform.auth.grants), platform.settings.auth)


@app.command(name="list")
def list_keys(tenant: TenantSlug) -> None:
    """The newest 200 keys, of people and of service accounts."""

    async def do(platform: Platform) -> None:
        table = wide_table("prefix", "name", "owner", "state", "expires", "last used", "permissions")
        for key in (await _keys(platform).page(ListQuery(limit=200))).items:
            used = f"{key.last_used_at:%Y-%m-%d %H:%M} from {key.last_used_from}" if key.last_used_at else "never"
            expires = f"{key.expires_at:%Y-%m-%d}"
            allows = "\n".join(key.permissions)
            table.add_row(key.prefix, key.name, key.owner_name, key.state, expires, used, allows)
        out.print(table)

    in_tenant(tenant, do)


@app.command()
def create(
    tenant: TenantSlug,
    account: Annotated[str, typer.Argument(help="The service account's name; made if there is none.")],
    permission: Annotated[list[str], typer.Option(help="What the key allows; repeat it for several.")],
    role: Annotated[list[str] | None, typer.Option(help="Roles of a new account; repeat it for several.")] = None,
    days: Annotated[int, typer.Option(help="How long it lasts.", min=1)] = 90,
    name: Annotated[str, typer.Option(help="What it is for.")] = "Command line",
) -> None:
    """Make a key for a service account, and print it, this once."""

    async def do(platform: Platform) -> str:
        auth = platform.auth
        row = (await session().exec(select(ServiceAccount).where(col(ServiceAccount.name) == account))).one_or_none()
        if row is None:
            service = ServiceAccountService(auth.grants, auth.keys, Explainer(platform.plugins, platform.tenants))
            account_id = (await service.create(ServiceAccountIn(name=account, roles=role or []))).id
        else:
            account_id = row.id
        body = ApiKeyIn(name=name, permissions=permission, expires_at=utcnow() + timedelta(days=days))
        return (await _keys(platform).create(body, account_id=account_id)).key

    out.print(in_tenant(tenant, do))


@app.command()
def revoke(tenant: TenantSlug, prefix: Annotated[str, typer.Argument(help="rek_ and eight characters.")]) -> None:
    """End a key, for good."""

    async def do(platform: Platform) -> None:
        keys = _keys(platform)
        row = await keys.rows.find(col(ApiKey.prefix) == prefix)
        if row is None:
            raise NotFound(f"There is no API key {prefix} in {tenant}.")
        await keys.revoke(row)

    in_tenant(tenant, do)
    out.print(f"{prefix} is revoked.")
