"""Invitations: how people get an account, and how those who have one join a further organisation."""

import secrets
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Index
from sqlmodel import Field, col, select

from riveredge_kernel.auth.delegation import Delegation, check_domain, roles_by_key
from riveredge_kernel.auth.mail_templates import INVITATION
from riveredge_kernel.auth.mails import AccountMails
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.sessions import hashed
from riveredge_kernel.db.base import KernelTenantModel
from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.tenancy.provisioning import checked_email
from riveredge_sdk.auth import current_principal
from riveredge_sdk.context import current_context, current_tenant
from riveredge_sdk.events import EventType
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.functions import FunctionContext, FunctionSpec
from riveredge_sdk.models import JsonType, UtcDateTime, utcnow
from riveredge_sdk.problems import Conflict
from riveredge_sdk.quotas import claim_quota
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import publish, session, unit_of_work


class Invitation(KernelTenantModel, table=True):
    """Somebody is asked to become a member. `by_hand`: the link was shown to who invited, so it proves no address."""

    __tablename__ = "kernel_invitation"
    portable = False
    __table_args__ = (Index("ix_kernel_invitation_tenant_id_email", "tenant_id", "email"),)

    email: str = Field(max_length=254)
    name: str = Field(default="", max_length=200)
    roles: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    token_hash: str | None = Field(default=None, max_length=64, unique=True)
    by_hand: bool = False
    invited_by: UUID | None = Field(default=None, description="The user's or service account's id.")
    inviter: str = Field(default="", max_length=200)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted_by: UUID | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be accepted."""
        return self.status == "open"

    @property
    def status(self) -> Literal["open", "accepted", "expired"]:
        """How it stands."""
        if self.accepted_at is not None:
            return "accepted"
        return "open" if self.expires_at > utcnow() else "expired"


# Who invites, where nobody of the organisation does.
_OPERATORS = {"en": "Whoever runs this platform", "zh-CN": "平台运营方"}


class Invitations(Repository[Invitation]):
    """Invitations of the current tenant."""

    model = Invitation
    fields = (
        FilterField("email", "text", Invitation.email),
        FilterField("expires_at", "datetime", Invitation.expires_at),
        FilterField("accepted_at", "datetime", Invitation.accepted_at),
    )


class InvitationRef(BaseModel):
    """Which invitation."""

    invitation_id: UUID


INVITATION_MAIL_REQUESTED = EventType(
    "kernel/invitation.mail_requested", InvitationRef, "An invitation is to be sent", internal=True
)


class InvitationService:
    """What administrators do with invitations, in the running unit of work."""

    def __init__(self, rules: Delegation, mails: AccountMails, *, days: int) -> None:
        self._rules = rules
        self._mails = mails
        self._days = days
        self.invitations = Invitations()

    async def invite(self, email: str, name: str, roles: list[str], *, by_hand: bool) -> tuple[Invitation, str | None]:
        """Invite somebody; the link if it is handed over by hand.

        Raises:
            Conflict: they are a member, or are invited already.
            Forbidden: a role allows more than the one who invites may do.
            Unavailable: the installation sends no mails, and the link is not to be handed over by hand.
        """
        self._rules.roles_held(await roles_by_key(roles))
        principal = current_principal()
        return await self._invite(email, name, roles, by_hand=by_hand, by=principal.id, inviter=principal.name)

    async def invite_administrator(self, email: str, name: str, *, by_hand: bool) -> tuple[Invitation, str | None]:
        """Invite somebody to administer the organisation, for its operators; the link if it is handed over by hand.

        Raises:
            Conflict: they are a member, or are invited already.
            Unavailable: the installation sends no mails, and the link is not to be handed over by hand.
        """
        inviter = _OPERATORS.get(current_context().locale, _OPERATORS["en"])
        return await self._invite(email, name, [ADMINISTRATOR], by_hand=by_hand, by=None, inviter=inviter)

    async def _invite(
        self, email: str, name: str, roles: list[str], *, by_hand: bool, by: UUID | None, inviter: str
    ) -> tuple[Invitation, str | None]:
        address = checked_email(email)
        await check_domain(address)
        await claim_quota("kernel.members")
        user = (await session().exec(select(User).where(col(User.email) == address))).one_or_none()
        if user is not None:
            mine = select(Membership.id).where(col(Membership.user_id) == user.id)
            if (await session().exec(mine)).first() is not None:
                raise Conflict(f"{address} is a member already.")
        # One at a time for a tenant, so that two do not both find none.
        await session().exec(select(Tenant.id).where(col(Tenant.id) == current_tenant()).with_for_update())
        for known in await self.invitations.all(col(Invitation.email) == address):
            if known.is_open:
                raise Conflict(f"{address} is invited already. Send that invitation again, or delete it.")
        made = Invitation(
            email=address,
            name=name,
            roles=list(dict.fromkeys(roles)),
            invited_by=by,
            inviter=inviter,
            expires_at=utcnow(),
        )
        return await self._send(await self.invitations.add(made), by_hand=by_hand)

    async def send_again(self, invitation_id: UUID, *, by_hand: bool) -> tuple[Invitation, str | None]:
        """Send another link, which replaces the one before; the link if it is handed over by hand.

        Raises:
            Conflict: it was accepted.
            Forbidden: a role allows more than the one who sends it may do.
        """
        invitation = await self.invitations.get(invitation_id, lock=True)
        if invitation.accepted_at is not None:
            raise Conflict("It was accepted already.")
        self._rules.roles_held(await roles_by_key(invitation.roles))
        return await self._send(invitation, by_hand=by_hand)

    async def _send(self, invitation: Invitation, *, by_hand: bool) -> tuple[Invitation, str | None]:
        invitation.by_hand, invitation.token_hash = by_hand, None
        invitation.expires_at = utcnow() + timedelta(days=self._days)
        if not by_hand:
            self._mails.require_mailer()
            publish(INVITATION_MAIL_REQUESTED, InvitationRef(invitation_id=invitation.id))
        link = self._new_link(invitation) if by_hand else None
        await session().flush()
        return invitation, link

    def _new_link(self, invitation: Invitation) -> str:
        token = secrets.token_urlsafe(32)
        invitation.token_hash, invitation.sent_at = hashed(token), utcnow()
        return self._mails.link("accept-invitation", token)

    async def mail(self, invitation_id: UUID) -> str:
        """Make the link, and hand the mail over. A repeated mail has another link, which replaces the first."""
        mailer = self._mails.require_mailer()
        async with unit_of_work():
            found = await self.invitations.find(col(Invitation.id) == invitation_id)
            if found is None or not found.is_open or found.by_hand:
                return "not open any more"
            link = self._new_link(found)
            tenant = (await session().exec(select(Tenant).where(col(Tenant.id) == current_tenant()))).one()
        data = {"link": link, "days": self._days, "tenant": tenant.name, "inviter": found.inviter}
        await self._mails.deliver(mailer, INVITATION, found.email, data, locale=current_context().locale)
        return "sent"


def invitation_functions(service: InvitationService) -> list[FunctionSpec[Any]]:
    """The durable function that sends them."""

    async def send(ctx: FunctionContext, ref: InvitationRef) -> str:
        return await ctx.step.run("send", lambda: service.mail(ref.invitation_id))

    return [
        FunctionSpec(
            id="kernel.invitation_mail",
            title="Send an invitation",
            trigger=INVITATION_MAIL_REQUESTED,
            handler=send,
            retries=6,
        )
    ]
