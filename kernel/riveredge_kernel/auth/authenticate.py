"""From an Authorization header to a principal."""

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.auth import Principal
from riveredge_sdk.problems import Forbidden, Unauthorized


class Authenticator:
    """Tells who sends a request."""

    def __init__(self, tokens: TokenService, grants: Grants, tenants: TenantDirectory) -> None:
        self._tokens = tokens
        self._grants = grants
        self._tenants = tenants

    async def principal(self, authorization: str | None, tenant_hint: str | None) -> Principal | None:
        """Who sends the request; None if nobody says so.

        Args:
            authorization: the header.
            tenant_hint: the name of the tenant to act in, instead of the token's own (header X-Tenant).

        Raises:
            Unauthorized: the token is not good any more.
            Forbidden: the user is no member of the tenant.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("The Authorization header must read `Bearer <access token>`.")
        claims = self._tokens.read(token.strip())
        tenant_id = claims.tenant_id
        if tenant_hint is not None:
            tenant = await self._tenants.by_slug(tenant_hint)
            if tenant is None:
                raise Forbidden(f"You are no member of an organisation {tenant_hint[:63]!r}.")
            tenant_id = tenant.id
        grant = await self._grants.get(claims.user_id, tenant_id)
        if grant is None or not grant.active:
            raise Unauthorized("This account is not active any more.")
        if tenant_id is not None and grant.permissions is None:
            raise Forbidden(
                f"You are no member of an organisation {tenant_hint[:63]!r}."
                if tenant_hint
                else "You are no member of this organisation any more."
            )
        return Principal(
            id=claims.user_id, name=grant.name, tenant_id=tenant_id, permissions=grant.permissions or frozenset()
        )
