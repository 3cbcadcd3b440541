"""From an Authorization header to a principal."""

from datetime import timedelta
from uuid import UUID

from riveredge_kernel.auth.api_keys import ApiKeys, is_api_key
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.sessions import LiveSession, Sessions
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.auth import Principal
from riveredge_sdk.problems import Forbidden, Unauthorized


class Authenticator:
    """Tells who sends a request."""

    def __init__(
        self, tokens: TokenService, sessions: Sessions, keys: ApiKeys, grants: Grants, tenants: TenantDirectory
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._keys = keys
        self._grants = grants
        self._tenants = tenants

    async def principal(
        self, authorization: str | None, tenant_hint: str | None, address: str | None
    ) -> Principal | None:
        """Who sends the request; None if nobody says so.

        Args:
            authorization: the header.
            tenant_hint: the name of the tenant that the request is for (see `http.tenant_hint`).
            address: where the request comes from.

        Raises:
            Unauthorized: the token or key is not good any more.
            Forbidden: the token or key is for another tenant, or the user is no member of the tenant.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("The Authorization header must read `Bearer <access token or API key>`.")
        token = token.strip()
        if is_api_key(token):
            principal = await self._keys.principal(token, address)
            await self._same_tenant(principal, tenant_hint)
            return principal
        return await self._user(token, tenant_hint)

    async def _user(self, token: str, tenant_hint: str | None) -> Principal:
        claims = self._tokens.read(token)
        session = await self._sessions.live(claims.session_id, claims.user_id)
        if session is None:
            raise Unauthorized("This session has ended. Sign in again.")
        tenant_id = claims.tenant_id
        if tenant_id is None and tenant_hint is not None:
            tenant = await self._tenants.by_slug(tenant_hint)
            if tenant is None:
                raise _no_member(tenant_hint)
            tenant_id = tenant.id
        grant = await self._grants.get(claims.user_id, tenant_id)
        if grant is None or not grant.active:
            raise Unauthorized("This account is not active any more.")
        if tenant_id is not None and grant.permissions is None:
            raise _no_member(tenant_hint)
        if tenant_id is not None:
            await self._fresh(session, tenant_id)
        principal = Principal(
            id=claims.user_id,
            name=grant.name,
            tenant_id=tenant_id,
            session_id=claims.session_id,
            tenant_bound=claims.bound,
            second_factor=session.second_factor,
            permissions=grant.permissions or frozenset(),
        )
        await self._same_tenant(principal, tenant_hint)
        return principal

    async def _fresh(self, session: LiveSession, tenant_id: UUID) -> None:
        """Raise `Unauthorized` if the organisation wants its people to sign in more often."""
        tenant = await self._tenants.get(tenant_id)
        hours = tenant.policy.session_max_hours if tenant is not None else None
        if hours is not None and self._tenants.runtime.now() - session.began_at > timedelta(hours=hours):
            raise Unauthorized(f"This organisation has you sign in again after {hours} h. Sign in again.")

    async def _same_tenant(self, principal: Principal, tenant_hint: str | None) -> None:
        """What a token is for is never widened by a header or an address, which anybody can write."""
        if tenant_hint is None or principal.tenant_id is None:
            return
        tenant = await self._tenants.get(principal.tenant_id)
        if tenant is None or tenant.slug != tenant_hint:
            what = "API key" if principal.api_key_id else "token"
            raise Forbidden(
                f"The request is for {tenant_hint[:63]!r}, but the {what} is for another organisation. "
                + ("Use a key of that one." if principal.api_key_id else "POST /api/v1/auth/token gives one for it."),
                extensions={"tenant": tenant_hint[:63]},
            )


def _no_member(slug: str | None) -> Forbidden:
    # The same whether there is such an organisation or not.
    where = f"an organisation {slug[:63]!r}" if slug is not None else "this organisation any more"
    return Forbidden(f"You are no member of {where}.")
