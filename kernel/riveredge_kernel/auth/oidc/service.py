"""Signing in with an identity provider, from the button to the session.

1. A client begins: it gets the provider's address to send the browser to, and a secret that it keeps.
2. The provider sends the browser back with a code. What it says about the person is checked, and the browser is sent on
   with a one-time ticket: no token is ever in an address.
3. The client exchanges ticket and secret for a session. A ticket that somebody planted, or saw, is of no use to anybody
   who does not have the secret.

No database transaction is open while a provider is asked.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from cryptography.fernet import MultiFernet
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.oidc.models import IdentityProvider, OidcAttempt
from riveredge_kernel.auth.oidc.people import member_for
from riveredge_kernel.auth.oidc.protocol import Client, OidcError, OidcProtocol
from riveredge_kernel.auth.oidc.redirects import checked_redirect, with_parameter
from riveredge_kernel.auth.oidc.schemas import StartOut
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import BadRequest, NotFound, Unauthorized, Unavailable
from riveredge_sdk.runtime import Runtime

log = structlog.get_logger(__name__)

LIFETIME = timedelta(minutes=10)
TICKET_LIFETIME = timedelta(minutes=2)
CALLBACK = "/api/v1/auth/oidc/callback"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser came back with from a provider."""

    state: str | None
    code: str | None
    issuer: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Proven:
    """Who has signed in, and where this counts."""

    user_id: UUID
    tenant_id: UUID


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class OidcService:
    """The three steps. Works across tenants, so it names the tenant in every statement."""

    def __init__(
        self,
        *,
        database: Database,
        runtime: Runtime,
        tenants: TenantDirectory,
        grants: Grants,
        vault: MultiFernet,
        settings: Settings,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._tenants = tenants
        self._grants = grants
        self._vault = vault
        self._settings = settings
        self.protocol = OidcProtocol()

    def redirect_uri(self, tenant: str, provider: str) -> str:
        """Where the provider sends browsers back to. One for each, so that answers cannot be mixed up."""
        return f"{self._settings.base_url.rstrip('/')}{CALLBACK}/{tenant}/{provider}"

    def encrypted(self, secret: str) -> str:
        """A secret as it is kept."""
        return self._vault.encrypt(secret.encode()).decode()

    async def options(self, tenant: str) -> list[IdentityProvider]:
        """The active providers of a tenant; none for a tenant that there is not."""
        found = await self._tenants.by_slug(tenant)
        if found is None or found.status != TenantStatus.ACTIVE:
            return []
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            query = (
                select(IdentityProvider)
                .where(col(IdentityProvider.tenant_id) == found.id, col(IdentityProvider.active).is_(True))
                .order_by(col(IdentityProvider.title))
            )
            return list((await session.exec(query)).all())

    async def start(self, tenant: str, key: str, redirect_to: str) -> StartOut:
        """Begin a sign-in.

        Raises:
            Invalid: `redirect_to` leads elsewhere.
            NotFound: there is no such organisation or provider.
            Unavailable: the provider cannot be reached, or is not set up right.
        """
        own = self._settings.tenant_url(tenant)
        origins = [origin for origin in (*self._settings.http.cors_origins, own) if origin and origin != "*"]
        target = checked_redirect(redirect_to, base_url=self._settings.base_url, origins=origins)
        provider = await self._provider(tenant, key)
        state, secret, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        verifier = secrets.token_urlsafe(64)
        try:
            url = await self.protocol.authorization_url(
                self._client(tenant, provider), state=state, nonce=nonce, verifier=verifier
            )
        except OidcError as error:
            log.warning("oidc_start_failed", tenant=tenant, provider=key, code=error.code, detail=str(error))
            raise Unavailable("The identity provider does not answer as it should.") from None
        async with self._database.system("sign-in", self._runtime) as session:
            session.add(
                OidcAttempt(
                    tenant_id=provider.tenant_id,
                    provider_id=provider.id,
                    state_digest=_digest(state),
                    secret_digest=_digest(secret),
                    nonce=nonce,
                    code_verifier=self.encrypted(verifier),
                    redirect_to=target,
                    expires_at=utcnow() + LIFETIME,
                )
            )
        return StartOut(authorization_url=url, secret=secret, expires_in=int(LIFETIME.total_seconds()))

    async def answer(self, tenant: str, key: str, answer: Answer) -> str:
        """Where to send the browser that came back: with a ticket, or with an error's code.

        Raises:
            BadRequest: the answer belongs to no sign-in of this provider that is under way.
        """
        attempt = await self._take(tenant, key, answer.state)
        try:
            ticket = await self._prove(tenant, key, attempt, answer)
        except OidcError as error:
            log.warning("oidc_sign_in_refused", tenant=tenant, provider=key, code=error.code, detail=str(error))
            return with_parameter(attempt.redirect_to, "error", error.code)
        return with_parameter(attempt.redirect_to, "ticket", ticket)

    async def complete(self, ticket: str, secret: str) -> Proven:
        """Who has signed in. The ticket is used up.

        Raises:
            Unauthorized: ticket or secret are not good.
        """
        refused = Unauthorized("The sign-in has expired or was completed already. Begin again.")
        async with self._database.system("sign-in", self._runtime) as session:
            query = select(OidcAttempt).where(col(OidcAttempt.ticket_digest) == _digest(ticket))
            attempt = (await session.exec(query)).one_or_none()
            if attempt is None or attempt.user_id is None or attempt.expires_at <= utcnow():
                raise refused
            if not hmac.compare_digest(attempt.secret_digest, _digest(secret)):
                raise refused
            # Of several at once one succeeds.
            used = await session.exec(delete(OidcAttempt).where(col(OidcAttempt.id) == attempt.id))
            if used.rowcount != 1:
                raise refused
            return Proven(attempt.user_id, attempt.tenant_id)

    async def prune(self) -> int:
        """Forget sign-ins that were not completed in time; how many."""
        async with self._database.system("prune sign-ins", self._runtime) as session:
            over = delete(OidcAttempt).where(col(OidcAttempt.expires_at) < utcnow())
            return (await session.exec(over)).rowcount

    async def _take(self, tenant: str, key: str, state: str | None) -> OidcAttempt:
        """The attempt that the answer belongs to, marked as answered: an answer counts once."""
        found = await self._tenants.by_slug(tenant)
        async with self._database.system("sign-in", self._runtime) as session:
            query = (
                select(OidcAttempt, IdentityProvider)
                .join(IdentityProvider, col(IdentityProvider.id) == col(OidcAttempt.provider_id))
                .where(col(OidcAttempt.state_digest) == _digest(state or ""), col(OidcAttempt.answered_at).is_(None))
            )
            row = (await session.exec(query)).one_or_none()
            if row is not None and found is not None:
                attempt, provider = row
                ours = provider.tenant_id == found.id and provider.key == key and attempt.expires_at > utcnow()
                mark = update(OidcAttempt).where(
                    col(OidcAttempt.id) == attempt.id, col(OidcAttempt.answered_at).is_(None)
                )
                if ours and (await session.exec(mark.values(answered_at=utcnow()))).rowcount == 1:
                    return attempt
        raise BadRequest("This answer belongs to no sign-in that is under way. Begin again.")

    async def _prove(self, tenant: str, key: str, attempt: OidcAttempt, answer: Answer) -> str:
        try:
            provider = await self._provider(tenant, key)
        except NotFound:
            raise OidcError("provider_off", "it was switched off meanwhile") from None
        metadata = await self.protocol.metadata(provider.issuer)
        # RFC 9207: an answer of another provider than the one that was asked.
        if answer.issuer != provider.issuer and (answer.issuer is not None or metadata.answers_with_issuer):
            raise OidcError("wrong_issuer", f"the answer comes from {str(answer.issuer)[:200]!r}")
        if answer.error is not None:
            code = "access_denied" if answer.error == "access_denied" else "provider_refused"
            raise OidcError(code, f"the provider answered {answer.error[:100]!r}")
        if not answer.code:
            raise OidcError("provider_refused", "the provider gave no code")
        claims = await self.protocol.claims(
            self._client(tenant, provider),
            code=answer.code,
            verifier=self._vault.decrypt(attempt.code_verifier.encode()).decode(),
            nonce=attempt.nonce,
            wanted=["email", *([provider.groups_claim.partition(".")[0]] if provider.group_roles else [])],
        )
        ticket = secrets.token_urlsafe(32)
        try:
            async with self._database.system("sign-in", self._runtime) as session:
                user_id = await member_for(session, provider, claims)
                await session.exec(
                    update(OidcAttempt)
                    .where(col(OidcAttempt.id) == attempt.id)
                    .values(user_id=user_id, ticket_digest=_digest(ticket), expires_at=utcnow() + TICKET_LIFETIME)
                )
        except IntegrityError:
            raise OidcError("try_again", "the same person signed in twice for the first time at once") from None
        self._grants.forget(user_id)
        return ticket

    async def _provider(self, tenant: str, key: str) -> IdentityProvider:
        for provider in await self.options(tenant):
            if provider.key == key:
                return provider
        raise NotFound(f"The organisation {tenant[:63]!r} has no identity provider {key[:63]!r}.")

    def _client(self, tenant: str, provider: IdentityProvider) -> Client:
        kept = provider.client_secret
        return Client(
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=self._vault.decrypt(kept.encode()).decode() if kept else None,
            redirect_uri=self.redirect_uri(tenant, provider.key),
            scopes=list(dict.fromkeys(["openid", *provider.scopes])),
        )
