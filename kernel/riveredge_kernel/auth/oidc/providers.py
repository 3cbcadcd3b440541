"""`/api/v1/identity-providers`: who an organisation trusts to say who its people are.

Whoever sets up a provider can let it call anybody by any member's name, so it takes every permission there is.
"""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_kernel.auth.delegation import Delegation, roles_by_key
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.oidc.models import Identity, IdentityProvider
from riveredge_kernel.auth.oidc.protocol import OidcError
from riveredge_kernel.auth.oidc.schemas import (
    GroupRole,
    IdentityOut,
    ProviderChange,
    ProviderCheck,
    ProviderIn,
    ProviderOut,
)
from riveredge_kernel.auth.oidc.service import OidcService
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.context import current_tenant
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Resource, Router
from riveredge_sdk.problems import NotFound, invalid_field, taken_field
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session

TAG = "Identity providers"
READ, WRITE = "kernel.identity_provider.read", "kernel.identity_provider.write"


class Providers(Repository[IdentityProvider]):
    """Identity providers of the current tenant."""

    model = IdentityProvider
    fields = (
        FilterField("key", "text", IdentityProvider.key),
        FilterField("title", "text", IdentityProvider.title),
        FilterField("active", "boolean", IdentityProvider.active),
    )
    default_sort = "key"


class Identities(Repository[Identity]):
    """Users as providers know them, of the current tenant."""

    model = Identity
    fields = (
        FilterField("user_id", "uuid", Identity.user_id),
        FilterField("subject", "text", Identity.subject),
        FilterField("email", "text", Identity.email),
        FilterField("last_used_at", "datetime", Identity.last_used_at),
    )


class ProviderService:
    """The current tenant's providers."""

    def __init__(self, oidc: OidcService, sessions: Sessions, tenants: TenantDirectory, grants: Grants) -> None:
        self._oidc = oidc
        self._sessions = sessions
        self._tenants = tenants
        self._grants = grants
        self._rules = Delegation(grants)
        self.providers = Providers()
        self.identities = Identities()

    async def out(self, row: IdentityProvider) -> ProviderOut:
        """The provider as clients see it."""
        tenant = await self._tenants.get(current_tenant())
        assert tenant is not None  # noqa: S101  (it is being served)
        shown = row.model_dump(include=set(ProviderOut.model_fields))
        return ProviderOut(
            **shown,
            has_secret=row.client_secret is not None,
            redirect_uri=self._oidc.redirect_uri(tenant.slug, row.key),
        )

    async def page(self, query: ListQuery) -> Page[ProviderOut]:
        """A page of them."""
        page = await self.providers.page(query, into=Resource)
        rows = await self.providers.all(col(IdentityProvider.id).in_([item.id for item in page.items]))
        by_id = {row.id: await self.out(row) for row in rows}
        return Page[ProviderOut](items=[by_id[item.id] for item in page.items], next=page.next)

    async def create(self, body: ProviderIn) -> ProviderOut:
        """A new provider.

        Raises:
            Conflict: there is one of this key.
            Forbidden: the one who sets it up does not hold every permission.
            Invalid: there is no such role.
        """
        self._may_trust()
        if await self.providers.find(col(IdentityProvider.key) == body.key) is not None:
            raise taken_field("identity provider", "key", body.key)
        await _known_roles(body.group_roles, body.default_roles)
        values = self._values(body.model_dump())
        return await self.out(await self.providers.add(IdentityProvider(**values)))

    async def change(self, provider_id: UUID, body: ProviderChange, version: int) -> ProviderOut:
        """Set it up otherwise.

        Switching it off ends the sessions that it has vouched for. With another issuer, so does that, and the links to
        its people go: they are other people's ids there.

        Raises:
            Forbidden: the one who changes it does not hold every permission.
            Invalid: there is no such role, or a new issuer comes without the client secret for it.
        """
        self._may_trust()
        row = await self.providers.get(provider_id, version=version, lock=True)
        await _known_roles(body.group_roles or (), body.default_roles or ())
        values = self._values(body.given())
        if values.get("issuer", row.issuer) != row.issuer:
            if row.client_secret is not None and "client_secret" not in values:
                raise invalid_field("client_secret", "Give it anew: where it is sent has changed.", "secret_redirected")
            await self._forget_people(row)
        elif values.get("active") is False:
            await self._end_sessions(row)
        return await self.out(await self.providers.change(row, values))

    async def delete(self, provider_id: UUID, version: int) -> None:
        """Trust it no longer. Members stay members; sessions that it has vouched for end."""
        self._may_trust()
        row = await self.providers.get(provider_id, version=version, lock=True)
        await self._forget_people(row)
        await self.providers.delete(row)

    async def check(self, provider_id: UUID) -> ProviderCheck:
        """Ask the provider what it says about itself."""
        row = await self.providers.get(provider_id)
        try:
            found = await self._oidc.protocol.metadata(row.issuer, anew=True)
        except OidcError as error:
            return ProviderCheck(works=False, problem=str(error), algorithms=[])
        return ProviderCheck(
            works=True,
            problem=None,
            authorization_endpoint=found.authorization_endpoint,
            token_endpoint=found.token_endpoint,
            algorithms=list(found.algorithms),
        )

    async def unlink(self, provider_id: UUID, identity_id: UUID, version: int) -> None:
        """Forget who somebody is at the provider, and end the sessions that this gave them.

        Raises:
            NotFound: there is no such identity of this provider.
        """
        row = await self.identities.get(identity_id, version=version, lock=True)
        if row.provider_id != provider_id:
            raise NotFound(f"There is no identity with the id {identity_id} here.")
        await self._sessions.revoke_bound(session(), row.tenant_id, [row.user_id], "identity unlinked")
        await self.identities.delete(row)

    async def _end_sessions(self, row: IdentityProvider) -> None:
        people = select(Identity.user_id).where(col(Identity.provider_id) == row.id)
        users = list(await session().exec(people))
        await self._sessions.revoke_bound(session(), row.tenant_id, users, "identity provider off")

    async def _forget_people(self, row: IdentityProvider) -> None:
        await self._end_sessions(row)
        await session().exec(delete(Identity).where(col(Identity.provider_id) == row.id))

    def _may_trust(self) -> None:
        self._rules.held(
            self._grants.everything(),
            "Whoever sets up an identity provider can sign in as any member, so it takes every permission. You lack",
        )

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        secret = given.get("client_secret")
        return {**given, "client_secret": self._oidc.encrypted(secret.get_secret_value())} if secret else given


async def _known_roles(rules: Iterable[GroupRole], default_roles: Iterable[str]) -> None:
    await roles_by_key(default_roles, field="default_roles")
    await roles_by_key([rule.role for rule in rules], field="group_roles")


def provider_router(service: ProviderService) -> Router:
    """The routes."""
    router = Router(prefix="/identity-providers", tag=TAG, audit="kernel.identity_provider")

    @router.get(require=READ, summary="List identity providers")
    async def list_identity_providers(query: Annotated[ListQuery, Query()]) -> Page[ProviderOut]:
        return await service.page(query)

    @router.post(require=WRITE, summary="Trust an identity provider")
    async def create_identity_provider(body: ProviderIn) -> ProviderOut:
        return await service.create(body)

    @router.get("/{provider_id}", require=READ, summary="One identity provider")
    async def get_identity_provider(provider_id: UUID) -> ProviderOut:
        return await service.out(await service.providers.get(provider_id))

    @router.patch("/{provider_id}", require=WRITE, summary="Change an identity provider")
    async def change_identity_provider(
        provider_id: UUID, body: ProviderChange, version: ExpectedVersion
    ) -> ProviderOut:
        return await service.change(provider_id, body, version)

    @router.delete("/{provider_id}", require=WRITE, summary="Trust an identity provider no longer")
    async def delete_identity_provider(provider_id: UUID, version: ExpectedVersion) -> None:
        await service.delete(provider_id, version)

    @router.post("/{provider_id}/check", require=WRITE, status=200, summary="Ask the provider about itself")
    async def check_identity_provider(provider_id: UUID) -> ProviderCheck:
        return await service.check(provider_id)

    @router.get("/{provider_id}/identities", require=READ, summary="Who is known by a provider")
    async def list_identities(provider_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[IdentityOut]:
        provider = await service.providers.get(provider_id)
        return await service.identities.page(query, col(Identity.provider_id) == provider.id, into=IdentityOut)

    @router.delete("/{provider_id}/identities/{identity_id}", require=WRITE, summary="Unlink a user")
    async def delete_identity(provider_id: UUID, identity_id: UUID, version: ExpectedVersion) -> None:
        """Their sessions by this provider end."""
        await service.unlink(provider_id, identity_id, version)

    return router
