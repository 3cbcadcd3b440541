"""The parts of sign-in, put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from riveredge_kernel.auth.account_routes import account_router
from riveredge_kernel.auth.accounts import Accounts
from riveredge_kernel.auth.api_keys import ApiKeys
from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.functions import auth_functions
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.guesses import Guesses
from riveredge_kernel.auth.invitation_routes import joining_router
from riveredge_kernel.auth.invitations import InvitationService, invitation_functions
from riveredge_kernel.auth.joining import Joining
from riveredge_kernel.auth.mails import AccountMails, mail_functions
from riveredge_kernel.auth.oidc.routes import oidc_router
from riveredge_kernel.auth.oidc.service import OidcService
from riveredge_kernel.auth.one_time import OneTimeTokens
from riveredge_kernel.auth.password_policy import PasswordPolicy
from riveredge_kernel.auth.proofs import Proofs
from riveredge_kernel.auth.routes import auth_router
from riveredge_kernel.auth.second_factor import SecondFactor
from riveredge_kernel.auth.second_factor_routes import second_factor_router, ticket_router
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.auth.session_routes import session_router
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.auth.tenant_routes import my_tenants_router
from riveredge_kernel.auth.tickets import Tickets
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.limiter import Limiter
from riveredge_kernel.limits.turnstile import Turnstile
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.secrets import token_key, vault
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.auth import REAUTHENTICATION
from riveredge_sdk.functions import FunctionSpec
from riveredge_sdk.http import Router
from riveredge_sdk.limits import RATE_LIMITER
from riveredge_sdk.ports import Service

# Each takes some 200 ms of CPU and holds database connections for a part of that.
_SIGNING_IN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthParts:
    """What tells who somebody is. What they may do is `grants`."""

    settings: Settings
    database: Database
    runtime: KernelRuntime
    tokens: TokenService
    sessions: Sessions
    grants: Grants
    keys: ApiKeys
    limiter: Limiter
    guesses: Guesses
    policy: PasswordPolicy
    one_time: OneTimeTokens
    second_factor: SecondFactor
    service: AuthService
    proofs: Proofs
    tickets: Tickets
    mails: AccountMails
    accounts: Accounts
    invitations: InvitationService
    joining: Joining
    oidc: OidcService

    def routers(self) -> list[Router]:
        """The routes below `/api/v1/auth`."""
        issuer = self.settings.auth.totp_issuer
        return [
            auth_router(self.service),
            my_tenants_router(self.service, self.settings),
            session_router(self.database, self.runtime, self.sessions),
            account_router(self.service, self.accounts, self.proofs),
            second_factor_router(self.service, self.second_factor, self.proofs, self.mails, issuer=issuer),
            ticket_router(self.tickets, self.proofs),
            joining_router(self.joining),
            oidc_router(self.oidc, self.service, self.limiter),
        ]

    def caches(self) -> Sequence[Callable[[], None]]:
        """What to call so that all of it is read anew."""
        return (self.grants.invalidate, self.keys.invalidate, self.sessions.invalidate)

    def functions(self) -> list[FunctionSpec[Any]]:
        """The durable functions."""
        prune = {
            "sessions": self.sessions.prune,
            "limits": self.limiter.prune,
            "tokens": self.one_time.prune,
            "keys": self.keys.prune,
            "sign-ins": self.oidc.prune,
        }
        return [
            *auth_functions(prune, self.service),
            *mail_functions(self.mails),
            *invitation_functions(self.invitations),
        ]

    def services(self) -> list[Service[Any]]:
        """The ports that it implements."""
        return [Service(RATE_LIMITER, self.limiter), Service(REAUTHENTICATION, self.tickets)]

    async def token_for(self, user_id: UUID, tenant_id: UUID | None = None, *, method: str = "test") -> str:
        """An access token of a new session without any proof, for tests and benchmarks."""
        async with self.database.system("token", self.runtime) as db:
            opened = await self.sessions.open(db, user_id, Device(), method=method, tenant_id=tenant_id)
        return self.tokens.issue(user_id, opened.session.id, tenant_id=tenant_id)

    @classmethod
    def assemble(
        cls,
        settings: Settings,
        database: Database,
        runtime: KernelRuntime,
        plugins: PluginHost,
        tenants: TenantDirectory,
    ) -> "AuthParts":
        """The parts, made in the order in which they need each other."""
        auth = settings.auth
        grants = Grants(database, runtime, plugins)
        tokens = TokenService(token_key(settings), minutes=auth.access_token_minutes)
        sessions = Sessions(database, runtime, auth)
        limiter = Limiter(database, runtime)
        guesses = Guesses(limiter, auth)
        policy = PasswordPolicy(auth)
        turnstile = Turnstile(active=_SIGNING_IN, waiting=auth.max_waiting_logins)
        second_factor = SecondFactor(database, runtime, vault(settings), guesses)
        service = AuthService(
            database,
            runtime,
            tokens=tokens,
            sessions=sessions,
            grants=grants,
            guesses=guesses,
            policy=policy,
            second_factor=second_factor,
            turnstile=turnstile,
            tenants=tenants,
        )
        mails = AccountMails(database, runtime, settings)
        return cls(
            settings=settings,
            database=database,
            runtime=runtime,
            tokens=tokens,
            sessions=sessions,
            grants=grants,
            keys=ApiKeys(database, runtime, grants),
            limiter=limiter,
            guesses=guesses,
            policy=policy,
            oidc=OidcService(
                database=database,
                runtime=runtime,
                tenants=tenants,
                grants=grants,
                vault=vault(settings),
                settings=settings,
            ),
            one_time=OneTimeTokens(database, runtime),
            second_factor=second_factor,
            service=service,
            proofs=Proofs(database, runtime, guesses=guesses, second_factor=second_factor, turnstile=turnstile),
            tickets=Tickets(database, runtime, minutes=auth.ticket_minutes),
            mails=mails,
            accounts=Accounts(
                database,
                runtime,
                mails=mails,
                sessions=sessions,
                guesses=guesses,
                limiter=limiter,
                policy=policy,
            ),
            invitations=InvitationService(Delegation(grants), mails, days=auth.invitation_days),
            joining=Joining(database, runtime, auth=service, grants=grants, policy=policy),
        )
