"""`/api/v1/auth`: sign in, stay signed in, choose the organisation, see who one is."""

from starlette.requests import Request
from starlette.responses import Response

from riveredge_kernel.auth import answers
from riveredge_kernel.auth.answers import LoginIn, Me, RefreshIn, SecondFactorIn, TokenIn, TokenOut
from riveredge_kernel.auth.devices import device_of
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.http.gate import TENANT_HINT
from riveredge_kernel.http.tenant_hint import chosen_tenant
from riveredge_sdk.auth import current_principal
from riveredge_sdk.http import Router

TAG = "Sign in"
_NOT_LET_IN: dict[int, dict[str, str]] = {401: {"description": "Not let in."}}


def auth_router(service: AuthService) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag=TAG)

    @router.post("/login", public=True, status=200, summary="Sign in", responses=_NOT_LET_IN)
    async def login(body: LoginIn, request: Request, response: Response) -> TokenOut:
        tenant = chosen_tenant(body.tenant, request.scope[TENANT_HINT])
        return answers.tokens(
            await service.login(body.email, body.password, device_of(request), tenant, code=body.code), response
        )

    @router.post(
        "/login/second-factor",
        public=True,
        status=200,
        summary="Sign in: the second factor",
        responses=_NOT_LET_IN,
    )
    async def login_second_factor(body: SecondFactorIn, request: Request, response: Response) -> TokenOut:
        return answers.tokens(await service.finish(body.challenge, body.code, device_of(request)), response)

    @router.post(
        "/refresh",
        public=True,
        status=200,
        summary="Exchange a refresh token for new tokens",
        responses=_NOT_LET_IN,
    )
    async def refresh(body: RefreshIn, request: Request, response: Response) -> TokenOut:
        """Each refresh token is good once. One that comes again later has been stolen, and ends its session."""
        return answers.tokens(await service.refresh(body.refresh_token, device_of(request)), response)

    @router.post("/token", signed_in=True, status=200, own_transactions=True, summary="Choose the organisation")
    async def token(body: TokenIn, response: Response) -> TokenOut:
        me, session_id = own_session()
        only = me.tenant_id if me.tenant_bound else None
        return answers.tokens(await service.switch(me.id, session_id, body.tenant, only=only), response)

    @router.get("/me", signed_in=True, summary="Who am I")
    async def me() -> Me:
        principal = current_principal()
        only = principal.tenant_id if principal.tenant_bound else None
        user, tenants = await service.me(principal.id, only=only)
        return Me(
            user=answers.person(user),
            email_verified=user.email_verified_at is not None,
            second_factor=await service.has_second_factor(user.id),
            tenant_id=principal.tenant_id,
            tenants=[answers.brief(tenant) for tenant in tenants],
            permissions=sorted(principal.permissions),
        )

    return router
