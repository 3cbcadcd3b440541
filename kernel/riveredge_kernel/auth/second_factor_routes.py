"""`/api/v1/auth/second-factor`: authenticator and recovery codes; `/api/v1/auth/tickets`: proof of who is there."""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riveredge_kernel.auth.answers import Code
from riveredge_kernel.auth.devices import device_of
from riveredge_kernel.auth.mails import AccountMails
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.proofs import ProofIn, Proofs
from riveredge_kernel.auth.second_factor import SecondFactor
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.auth.tickets import Tickets
from riveredge_sdk.http import Body, Router
from riveredge_sdk.problems import Forbidden

_NO_STORE = {"Cache-Control": "no-store"}


class SecondFactorState(BaseModel):
    """Whether it is on, and how many recovery codes are left."""

    enabled: bool
    recovery_codes_left: int


class SecondFactorSecret(BaseModel):
    """For the authenticator app. `uri` is what a QR code holds."""

    secret: str
    uri: str


class CodeIn(Body):
    """A code of the authenticator app."""

    code: Code


class RecoveryCodes(BaseModel):
    """Each replaces the authenticator once. They are not shown again."""

    recovery_codes: list[str]


class TicketIn(ProofIn):
    """Who one is, and what it is for."""

    purpose: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]{0,60}$", description="For example contracts.sign.")
    ]
    content_hash: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9:+/=_-]{16,200}$", description="Of what one agrees to; sha256:…")
    ]


class TicketOut(BaseModel):
    """Good once, for this purpose and content, by this user in this organisation."""

    ticket: str
    expires_in: Annotated[int, Field(description="Seconds.")]


def second_factor_router(
    service: AuthService, second_factor: SecondFactor, proofs: Proofs, mails: AccountMails, *, issuer: str
) -> Router:
    """The routes. `issuer` is what authenticator apps show beside the account."""
    router = Router(prefix="/auth/second-factor", tag="Own account")

    @router.get(signed_in=True, summary="Is one's second factor on?")
    async def get_second_factor() -> SecondFactorState:
        me, _ = own_session()
        left = await second_factor.recovery_codes_left(me.id)
        return SecondFactorState(enabled=await second_factor.is_on(me.id), recovery_codes_left=left)

    @router.post(signed_in=True, status=200, own_transactions=True, summary="Set up an authenticator app")
    async def begin_second_factor(body: ProofIn, request: Request, response: Response) -> SecondFactorSecret:
        """It is asked for once a first code of it was confirmed."""
        me, current = own_session()
        user, _ = await proofs.check(me.id, current, device_of(request), body)
        response.headers.update(_NO_STORE)
        secret, uri = await second_factor.begin(user, issuer)
        return SecondFactorSecret(secret=secret, uri=uri)

    @router.post(
        "/confirm", signed_in=True, status=200, own_transactions=True, summary="Switch the second factor on by a code"
    )
    async def confirm_second_factor(body: CodeIn, response: Response) -> RecoveryCodes:
        me, current = own_session()
        codes = await second_factor.confirm(me.id, body.code, session_id=current)
        response.headers.update(_NO_STORE)
        await mails.tell((await service.me(me.id))[0], "second_factor_on")
        return RecoveryCodes(recovery_codes=codes)

    @router.post(
        "/recovery-codes", signed_in=True, status=200, own_transactions=True, summary="Replace one's recovery codes"
    )
    async def renew_recovery_codes(body: ProofIn, request: Request, response: Response) -> RecoveryCodes:
        me, current = own_session()
        await proofs.check(me.id, current, device_of(request), body)
        response.headers.update(_NO_STORE)
        return RecoveryCodes(recovery_codes=await second_factor.renew_codes(me.id))

    @router.post(
        "/disable", signed_in=True, status=204, own_transactions=True, summary="Switch one's second factor off"
    )
    async def disable_second_factor(body: ProofIn, request: Request) -> None:
        me, current = own_session()
        user, _ = await proofs.check(me.id, current, device_of(request), body)
        await second_factor.switch_off(me.id)
        await mails.tell(user, "second_factor_off")

    return router


def ticket_router(tickets: Tickets, proofs: Proofs) -> Router:
    """The routes."""
    router = Router(prefix="/auth/tickets", tag="Own account")

    @router.post(signed_in=True, own_transactions=True, summary="Prove that it is you, for one act")
    async def create_ticket(body: TicketIn, request: Request, response: Response) -> TicketOut:
        """Send the ticket to the route that asked for it (403, `reauthentication-required`)."""
        me, current = own_session()
        if me.tenant_id is None:
            raise Forbidden("Choose an organisation first: POST /api/v1/auth/token with its name.")
        _, shown = await proofs.check(me.id, current, device_of(request), body)
        ticket = await tickets.issue(me.id, me.tenant_id, shown, purpose=body.purpose, content_hash=body.content_hash)
        response.headers.update(_NO_STORE)
        return TicketOut(ticket=ticket, expires_in=int(tickets.life.total_seconds()))

    return router
