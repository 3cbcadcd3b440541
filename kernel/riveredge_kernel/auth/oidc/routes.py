"""`/api/v1/auth/oidc`: sign in with an organisation's identity provider."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from riveredge_kernel.auth import answers
from riveredge_kernel.auth.answers import TokenOut
from riveredge_kernel.auth.devices import device_of
from riveredge_kernel.auth.oidc.schemas import CompleteIn, SignInOption, StartIn, StartOut
from riveredge_kernel.auth.oidc.service import Answer, OidcService
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.http.gate import TENANT_HINT
from riveredge_kernel.http.tenant_hint import chosen_tenant
from riveredge_kernel.limits.limiter import Limiter
from riveredge_sdk.http import Router
from riveredge_sdk.limits import Limit
from riveredge_sdk.problems import BadRequest

# Neither kept nor told to the page that comes next: the address holds a ticket.
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
# Each asks a provider, and leaves a row for ten minutes. A whole office may share an address.
STARTS = Limit("kernel.oidc_start", hits=300, seconds=600, reason="Too many sign-ins were begun from this network.")
Text = Annotated[str | None, Query(max_length=4000)]


def oidc_router(service: OidcService, auth: AuthService, limiter: Limiter) -> Router:
    """The routes."""
    router = Router(prefix="/auth/oidc", tag="Sign in")

    def tenant_of(wanted: str | None, request: Request) -> str:
        tenant = chosen_tenant(wanted, request.scope[TENANT_HINT])
        if tenant is None:
            raise BadRequest("Name the organisation: `tenant`.")
        return tenant

    @router.get("/providers", public=True, summary="How one can sign in at an organisation")
    async def list_sign_in_options(
        request: Request, tenant: Annotated[str | None, Query(max_length=63)] = None
    ) -> list[SignInOption]:
        """Empty also for an organisation that there is not."""
        found = await service.options(tenant_of(tenant, request))
        return [SignInOption(key=provider.key, title=provider.title) for provider in found]

    @router.post(
        "/start",
        public=True,
        status=200,
        summary="Begin to sign in with an identity provider",
        responses={404: {"description": "There is no such organisation or provider."}},
    )
    async def start_oidc(body: StartIn, request: Request, response: Response) -> StartOut:
        """Send the browser to the address, keep the secret, and wait for the browser to come back to `redirect_to`
        with a `ticket`, or with an `error`."""
        await limiter.hit(STARTS, device_of(request).network)
        response.headers.update(_PRIVATE)
        return await service.start(tenant_of(body.tenant, request), body.provider, body.redirect_to)

    @router.get(
        "/callback/{tenant}/{provider}",
        public=True,
        status=303,
        response_class=RedirectResponse,
        summary="Where identity providers send browsers back to",
    )
    async def oidc_callback(
        tenant: str, provider: str, *, state: Text = None, code: Text = None, iss: Text = None, error: Text = None
    ) -> Response:
        target = await service.answer(tenant, provider, Answer(state=state, code=code, issuer=iss, error=error))
        return RedirectResponse(target, 303, headers=_PRIVATE)

    @router.post(
        "/complete",
        public=True,
        status=200,
        summary="Exchange the ticket for a session",
        responses={401: {"description": "The ticket is not good, or not with this secret."}},
    )
    async def complete_oidc(body: CompleteIn, request: Request, response: Response) -> TokenOut:
        """The session counts in this organisation only, because its identity provider vouches for nobody elsewhere."""
        proven = await service.complete(body.ticket, body.secret)
        signed_in = await auth.begin_bound(proven.user_id, proven.tenant_id, device_of(request), method="oidc")
        return answers.tokens(signed_in, response)

    return router
