"""`/api/v1/invitations`: ask people in; `/api/v1/auth/invitations`: follow such an invitation."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riveredge_kernel.auth import answers
from riveredge_kernel.auth.answers import Email, Password, Secret, TenantBrief, TokenOut
from riveredge_kernel.auth.devices import device_of
from riveredge_kernel.auth.invitations import Invitation, InvitationService
from riveredge_kernel.auth.joining import Joining
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.roles import TAG
from riveredge_kernel.auth.schemas import RoleKey
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.tenancy.operator_routes import REFUSED, Operators
from riveredge_sdk.context import current_context, use_context
from riveredge_sdk.http import Body, ExpectedVersion, ListQuery, Page, Resource, Router
from riveredge_sdk.problems import Conflict
from riveredge_sdk.uow import session, unit_of_work

# Of the organisation that invites.
_SUSPENDED: dict[int | str, dict[str, Any]] = {403: {}}

Name = Annotated[str, Field(max_length=200)]
ByHand = Annotated[
    bool,
    Field(description="Send no mail: the answer has the link, to be handed over. Such a link proves no address."),
]


class InvitationIn(Body):
    """Whom to ask in, and with which roles."""

    email: Email
    name: Name = ""
    roles: Annotated[list[RoleKey], Field(max_length=100, default_factory=list)]
    by_hand: ByHand = False


class AgainIn(Body):
    """How the new link is to reach them."""

    by_hand: ByHand = False


class InvitationOut(Resource):
    """An invitation. `link` is shown once, to whoever hands it over."""

    email: str
    name: str
    roles: list[str]
    status: Literal["open", "accepted", "expired"]
    by_hand: bool
    inviter: str
    expires_at: datetime
    sent_at: Annotated[datetime | None, Field(description="When the last link was made.")]
    accepted_at: datetime | None
    link: str | None = None


class TokenOnly(Body):
    """The secret of the link: what follows `#token=`."""

    token: Secret


class Seen(BaseModel):
    """What the invited see before they accept. With an account: sign in, and join."""

    tenant: TenantBrief
    email: str
    name: str
    inviter: str
    account_exists: bool
    expires_at: datetime


class AcceptIn(Body):
    """A new account."""

    token: Secret
    name: Name = ""
    password: Password


def _out(invitation: Invitation, link: str | None = None) -> InvitationOut:
    return InvitationOut.model_validate(invitation).model_copy(update={"link": link})


def invitation_router(service: InvitationService) -> Router:
    """What administrators do."""
    router = Router(prefix="/invitations", tag=TAG, audit="kernel.invitation")
    invitations = service.invitations

    @router.get(require="kernel.member.read", summary="List invitations")
    async def list_invitations(query: Annotated[ListQuery, Query()]) -> Page[InvitationOut]:
        return await invitations.page(query, into=InvitationOut)

    @router.get("/{invitation_id}", require="kernel.member.read", summary="One invitation")
    async def get_invitation(invitation_id: UUID) -> InvitationOut:
        return _out(await invitations.get(invitation_id))

    @router.post(require="kernel.member.write", summary="Invite somebody")
    async def create_invitation(body: InvitationIn, response: Response) -> InvitationOut:
        response.headers["Cache-Control"] = "no-store"
        return _out(*await service.invite(body.email, body.name, body.roles, by_hand=body.by_hand))

    @router.post("/{invitation_id}/resend", require="kernel.member.write", status=200, summary="Send another link")
    async def resend_invitation(invitation_id: UUID, body: AgainIn, response: Response) -> InvitationOut:
        """The link before is good no more."""
        response.headers["Cache-Control"] = "no-store"
        return _out(*await service.send_again(invitation_id, by_hand=body.by_hand))

    @router.delete("/{invitation_id}", require="kernel.member.write", summary="Withdraw an invitation")
    async def delete_invitation(invitation_id: UUID, version: ExpectedVersion) -> None:
        await invitations.delete(await invitations.get(invitation_id, version=version, lock=True))

    return router


class AdministratorIn(Body):
    """Whom operators ask in."""

    email: Email
    name: Name = ""
    by_hand: ByHand = False


def operator_invitation_router(operators: Operators, service: InvitationService) -> Router:
    """What operators do: for an organisation that has no administrator yet, or none any more."""
    router = Router(prefix="/operator/tenants/{tenant_id}/administrators", tag="Operators", audit=False)

    @router.post(
        public=True,
        responses=REFUSED,
        status=201,
        own_transactions=True,
        summary="Invite an administrator",
    )
    async def invite_administrator(tenant_id: UUID, body: AdministratorIn, response: Response) -> InvitationOut:
        tenant = await operators.get(tenant_id)
        if tenant.status != TenantStatus.ACTIVE:
            raise Conflict(f"The organisation is {tenant.status}, so nobody can join it.")
        serving = replace(operators.serving(current_context(), tenant.id), locale=tenant.locale)
        with use_context(serving):
            async with unit_of_work(independent=True):
                made, link = await service.invite_administrator(body.email, body.name, by_hand=body.by_hand)
                session().add(operators.told(tenant, "invite_administrator"))
        response.headers["Cache-Control"] = "no-store"
        return _out(made, link)

    return router


def joining_router(joining: Joining) -> Router:
    """What the invited do."""
    router = Router(prefix="/auth/invitations", tag="Sign in")

    @router.post("/look", public=True, status=200, summary="See what an invitation is for", responses=_SUSPENDED)
    async def look_at_invitation(body: TokenOnly) -> Seen:
        invitation, tenant, exists = await joining.look(body.token)
        return Seen(
            tenant=answers.brief(tenant),
            email=invitation.email,
            name=invitation.name,
            inviter=invitation.inviter,
            account_exists=exists,
            expires_at=invitation.expires_at,
        )

    @router.post(
        "/accept", public=True, status=200, summary="Accept an invitation with a new account", responses=_SUSPENDED
    )
    async def accept_invitation(body: AcceptIn, request: Request, response: Response) -> TokenOut:
        """Makes the account, and signs in."""
        locale = current_context().locale
        return answers.tokens(
            await joining.accept(body.token, body.name, body.password, device_of(request), locale), response
        )

    @router.post("/join", signed_in=True, status=200, own_transactions=True, summary="Accept an invitation as oneself")
    async def join(body: TokenOnly) -> TenantBrief:
        """For those who have an account; choose the organisation by POST /auth/token then."""
        me, _ = own_session()
        return answers.brief(await joining.join(body.token, me.id))

    return router
