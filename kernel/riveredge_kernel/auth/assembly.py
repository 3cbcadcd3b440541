"""The parts of sign-in, put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from riveredge_kernel.auth.api_keys import ApiKeys
from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.functions import auth_functions
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.guesses import Guesses
from riveredge_kernel.auth.oidc.routes import oidc_router
from riveredge_kernel.auth.oidc.service import OidcService
from riveredge_kernel.auth.password_policy import PasswordPolicy
from riveredge_kernel.auth.routes import auth_router
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.auth.session_routes import session_router
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.limiter import Limiter
from riveredge_kernel.limits.turnstile import Turnstile
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.secrets import token_key, vault
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.functions import FunctionSpec
from riveredge_sdk.http import Router
from riveredge_sdk.limits import RATE_LIMITER
from riveredge_sdk.ports import Service

# Each takes some 200 ms of CPU and holds database connections for a part of that.
_SIGNING_IN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthParts:
    """What tells who somebody is. What they may do is `grants`."""

    database: Database
    runtime: KernelRuntime
    tokens: TokenService
    sessions: Sessions
    grants: Grants
    limiter: Limiter
    guesses: Guesses
    policy: PasswordPolicy
    keys: ApiKeys
    service: AuthService
    oidc: OidcService

    def routers(self) -> list[Router]:
        """The routes below `/api/v1/auth`."""
        return [
            auth_router(self.service),
            session_router(self.database, self.runtime, self.sessions),
            oidc_router(self.oidc, self.service, self.limiter),
        ]

    def caches(self) -> Sequence[Callable[[], None]]:
        """What to call so that all of it is read anew."""
        return (self.grants.invalidate, self.keys.invalidate, self.sessions.invalidate)

    def functions(self) -> list[FunctionSpec[Any]]:
        """The durable functions."""
        return auth_functions(self.sessions, self.limiter, self.keys, self.oidc)

    def services(self) -> list[Service[Any]]:
        """The ports that it implements."""
        return [Service(RATE_LIMITER, self.limiter)]

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
        grants = Grants(database, runtime, plugins)
        tokens = TokenService(token_key(settings), minutes=settings.auth.access_token_minutes)
        sessions = Sessions(database, runtime, settings.auth)
        limiter = Limiter(database, runtime)
        guesses = Guesses(limiter, settings.auth)
        policy = PasswordPolicy(settings.auth)
        return cls(
            database=database,
            runtime=runtime,
            tokens=tokens,
            sessions=sessions,
            grants=grants,
            limiter=limiter,
            guesses=guesses,
            policy=policy,
            keys=ApiKeys(database, runtime, grants),
            oidc=OidcService(
                database=database,
                runtime=runtime,
                tenants=tenants,
                grants=grants,
                vault=vault(settings),
                settings=settings,
            ),
            service=AuthService(
                database,
                runtime,
                tokens=tokens,
                sessions=sessions,
                grants=grants,
                guesses=guesses,
                policy=policy,
                turnstile=Turnstile(active=_SIGNING_IN, waiting=settings.auth.max_waiting_logins),
            ),
        )
