"""Who may come in: token to principal to tenant to permission, before any work is done."""

from typing import Protocol
from uuid import UUID

from starlette.requests import Request

from riveredge_kernel.http.tenant_hint import tenant_hint
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantInfo
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.tenancy.policy import check_second_factor
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context
from riveredge_sdk.http import Route
from riveredge_sdk.problems import Forbidden, NotFound, Unauthorized
from riveredge_sdk.runtime import Runtime

# Where a request's scope holds the name of the tenant that it is for.
TENANT_HINT = "riveredge.tenant_hint"
# Where it holds the headers that tell how much more there may be.
RATE_LIMIT = "riveredge.rate_limit"
# What concerns the account itself, in all its organisations, and what of that is open to somebody for whom only the
# identity provider of one organisation has vouched.
_ACCOUNT = "/auth/"
_OPEN_TO_BOUND = frozenset(
    {"/auth/me", "/auth/tenants", "/auth/token", "/auth/logout", "/auth/logout-everywhere", "/auth/tickets"}
    | {"/auth/sessions", "/auth/sessions/{session_id}"}  # show and end those of this organisation only
)
# What an organisation that is to be deleted still does: look how long it has, and take that back.
_OPEN_WHILE_DELETING = frozenset({"/tenant/deletion", "/tenant/deletion/undo"})
LOCALES = ("en", "zh-CN")


class Authenticates(Protocol):
    async def principal(
        self, authorization: str | None, tenant_hint: str | None, address: str | None
    ) -> Principal | None: ...


class Tenants(Protocol):
    async def get(self, tenant_id: UUID) -> TenantInfo | None: ...


class Switches(Protocol):
    def is_on(self, plugin: str, tenant: TenantInfo) -> bool: ...


class CountsRequests(Protocol):
    async def count_request(self, tenant: TenantInfo) -> dict[str, str]: ...


class Gate:
    """Admits requests: gives each its context, or a problem."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        authenticator: Authenticates,
        tenants: Tenants,
        switches: Switches,
        *,
        quotas: CountsRequests,
    ) -> None:
        self.settings = settings
        self._runtime = runtime
        self._authenticator = authenticator
        self._tenants = tenants
        self._switches = switches
        self._quotas = quotas

    async def admit(self, request: Request, route: Route, plugin: str | None) -> Context:
        """The context to serve the request under.

        Raises:
            BadRequest: it names two tenants.
            Unauthorized: nobody is signed in, and somebody must be.
            Forbidden: the permission is missing, no tenant is chosen, or the tenant is suspended.
            NotFound: the plugin is off for the tenant.
            TooManyRequests: the tenant has sent as many requests as it may.
        """
        headers = request.headers
        hint = tenant_hint(headers, self.settings.http.tenant_domain)
        request.scope[TENANT_HINT] = hint
        principal = None
        address = request.client.host if request.client else None
        if not route.public:
            principal = await self._authenticator.principal(headers.get("authorization"), hint, address)
            if principal is None:
                raise Unauthorized("Send an access token: `Authorization: Bearer …`.")
            if principal.api_key_id is not None and route.signed_in and not route.api_keys:
                raise Forbidden("An API key allows what its permissions name, and this needs a person: sign in.")
            if principal.tenant_bound and route.path.startswith(_ACCOUNT) and route.path not in _OPEN_TO_BOUND:
                raise Forbidden(
                    "You have signed in with your organisation's identity provider, which counts there only. This "
                    "concerns your account in all organisations: sign in with your password."
                )
        tenant = await self._tenant(request, principal, route, plugin)
        if route.require is not None:
            assert principal is not None  # noqa: S101  (such a route is never public)
            if tenant is None:
                raise Forbidden("Choose an organisation first: POST /api/v1/auth/token with its name.")
            principal.require(route.require)
        return Context(
            runtime=self._runtime,
            tenant_id=tenant.id if tenant else None,
            principal=principal,
            request_id=request.scope.get("riveredge.request_id", ""),
            locale=_locale(headers.get("accept-language"), tenant.locale if tenant else "en"),
            timezone=tenant.timezone if tenant else "UTC",
            address=address,
        )

    async def _tenant(
        self, request: Request, principal: Principal | None, route: Route, plugin: str | None
    ) -> TenantInfo | None:
        """The principal's tenant, if it is open for this."""
        if route.serves is not None:
            return await self._named(route.serves(request.path_params), plugin)
        if principal is None or principal.tenant_id is None:
            return None
        tenant = await self._tenants.get(principal.tenant_id)
        if tenant is None:
            return None
        if tenant.status != TenantStatus.ACTIVE and not _is_own_account(route, plugin):
            _refuse_closed(tenant.status, route, plugin)
        if not _is_own_account(route, plugin):
            check_second_factor(tenant.policy, principal, self._runtime.now())
        request.scope[RATE_LIMIT] = await self._quotas.count_request(tenant)
        if plugin is not None and not self._switches.is_on(plugin, tenant):
            raise NotFound(
                f"The plugin {plugin!r} is switched off for this organisation.", extensions={"plugin": plugin}
            )
        return tenant

    async def _named(self, tenant_id: UUID | None, plugin: str | None) -> TenantInfo:
        """The tenant that a public route's path names. One answer for all that is not served: strangers may ask."""
        tenant = await self._tenants.get(tenant_id) if tenant_id is not None else None
        if (
            tenant is None
            or tenant.status != TenantStatus.ACTIVE
            or (plugin is not None and not self._switches.is_on(plugin, tenant))
        ):
            raise NotFound("There is nothing at this address.")
        return tenant


def _refuse_closed(status: str, route: Route, plugin: str | None) -> None:
    if status == TenantStatus.SUSPENDED:
        raise Forbidden("This organisation is suspended.")
    if status != TenantStatus.DELETING:
        raise Forbidden("This organisation has been deleted.")
    if plugin is not None or route.path not in _OPEN_WHILE_DELETING:
        raise Forbidden("This organisation is to be deleted. GET /api/v1/tenant/deletion tells when.")


def _is_own_account(route: Route, plugin: str | None) -> bool:
    """Whether the route is about the person alone: they still sign out, and go to another of their organisations."""
    return plugin is None and route.require is None and route.path.startswith("/auth")


def _locale(accepted: str | None, default: str) -> str:
    """The first language of Accept-Language that we speak; its weights are in order in practice."""
    for part in (accepted or "").split(",")[:10]:
        wanted = part.partition(";")[0].strip().lower()
        for locale in LOCALES:
            if wanted and (locale.lower() == wanted or locale.lower().startswith(wanted.partition("-")[0] + "-")):
                return locale
            if wanted.partition("-")[0] == locale:
                return locale
    return default
