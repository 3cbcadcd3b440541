"""`riveredge identity-provider`: see whom an organisation trusts, and end that when its provider is lost."""

from typing import Annotated

import typer
from sqlmodel import col, select

from riveredge_kernel.auth.oidc.models import IdentityProvider
from riveredge_kernel.auth.oidc.protocol import OidcError
from riveredge_kernel.auth.oidc.providers import ProviderService
from riveredge_kernel.auth.oidc.schemas import ProviderChange
from riveredge_kernel.cli.common import fail, out, wide_table
from riveredge_kernel.cli.operator import in_tenant
from riveredge_kernel.platform import Platform
from riveredge_sdk.problems import NotFound
from riveredge_sdk.uow import session

app = typer.Typer(help="See, check and switch identity providers.", no_args_is_help=True)

TenantSlug = Annotated[str, typer.Argument(help="The organisation's short name.")]
Key = Annotated[str, typer.Argument(help="The provider's key.")]


async def _find(key: str) -> IdentityProvider:
    query = select(IdentityProvider).where(col(IdentityProvider.key) == key)
    found = (await session().exec(query)).one_or_none()
    if found is None:
        raise NotFound(f"There is no identity provider {key}.")
    return found


@app.command(name="list")
def list_providers(tenant: TenantSlug) -> None:
    """The providers of an organisation."""

    async def do(platform: Platform) -> None:
        table = wide_table("key", "title", "issuer", "active", "redirect address")
        for row in await session().exec(select(IdentityProvider).order_by(col(IdentityProvider.key))):
            address = platform.auth.oidc.redirect_uri(tenant, row.key)
            table.add_row(row.key, row.title, row.issuer, "yes" if row.active else "no", address)
        out.print(table)

    in_tenant(tenant, do)


@app.command()
def check(tenant: TenantSlug, key: Key) -> None:
    """Ask a provider what it says about itself."""

    async def do(platform: Platform) -> str:
        issuer = (await _find(key)).issuer
        found = await platform.auth.oidc.protocol.metadata(issuer)
        return f"{issuer} answers: {found.authorization_endpoint}, {', '.join(found.algorithms)}"

    try:
        out.print(in_tenant(tenant, do))
    except OidcError as error:
        fail(f"{error.code}: {error}")


def _switch(tenant: str, key: str, active: bool) -> None:
    async def do(platform: Platform) -> None:
        auth = platform.auth
        providers = ProviderService(auth.oidc, auth.sessions, platform.tenants, auth.grants)
        row = await _find(key)
        await providers.change(row.id, ProviderChange(active=active), row.version)

    in_tenant(tenant, do)
    out.print(f"{key} is {'active' if active else 'off'} now.")


@app.command()
def deactivate(tenant: TenantSlug, key: Key) -> None:
    """Let nobody in by this provider any more, and end the sessions that it has vouched for."""
    _switch(tenant, key, False)


@app.command()
def activate(tenant: TenantSlug, key: Key) -> None:
    """Trust the provider again."""
    _switch(tenant, key, True)
