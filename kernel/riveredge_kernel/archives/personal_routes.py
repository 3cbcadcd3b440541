"""`/api/v1/personal-data`: what is held about somebody, for themselves and for those who look after members."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlmodel import col, select

from riveredge_kernel.archives import work
from riveredge_kernel.archives.exports import ArchiveOut, Ticket, download, find
from riveredge_kernel.archives.models import Archive, ArchiveKind
from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.members import roles_of_membership
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_sdk.auth import redeem_ticket
from riveredge_sdk.context import current_tenant
from riveredge_sdk.http import Body, ListQuery, Page, Router
from riveredge_sdk.problems import Conflict, Forbidden, NotFound, invalid_field
from riveredge_sdk.uow import session

MANAGE = "kernel.personal_data.manage"
Kind = Literal["personal_export", "personal_erasure"]
PERSONAL = (ArchiveKind.PERSONAL_EXPORT, ArchiveKind.PERSONAL_ERASURE)


class OwnRequest(Body):
    """What is to be done with one's own data in this organisation."""

    kind: Kind
    ticket: Ticket = None


class MemberRequest(OwnRequest):
    """What is to be done with a member's data."""

    user_id: UUID


def purpose_of(kind: str) -> str:
    """What a ticket is for."""
    return f"kernel.{kind}"


def content_hash(kind: str, tenant_id: UUID, user_id: UUID) -> str:
    """What a ticket is about."""
    return "sha256:" + hashlib.sha256(f"{purpose_of(kind)} {tenant_id} {user_id}".encode()).hexdigest()


class PersonalRequests:
    """Takes requests, in the running unit of work."""

    def __init__(self, grants: Grants) -> None:
        self._rules = Delegation(grants)

    async def own(self, body: OwnRequest) -> Archive:
        """A person's request about themselves.

        Raises:
            ReauthenticationRequired: without a good ticket.
            Conflict: nobody else administers the organisation.
        """
        me, _ = own_session()
        if me.tenant_id is None:
            raise Forbidden("Choose an organisation first: POST /api/v1/auth/token with its name.")
        return await self._ask(body, me.id)

    async def of_member(self, body: MemberRequest) -> Archive:
        """The same about a member, by somebody who may do all that the member may.

        Raises:
            Invalid: there is no such member.
            Forbidden: the member may do more.
        """
        query = select(Membership).where(col(Membership.user_id) == body.user_id)
        member = (await session().exec(query)).one_or_none()
        if member is None:
            raise invalid_field("user_id", "There is no member with this user's id here.", "unknown_member")
        self._rules.roles_held(await roles_of_membership(member.id))
        return await self._ask(body, body.user_id)

    @staticmethod
    async def _ask(body: OwnRequest, user_id: UUID) -> Archive:
        about = content_hash(body.kind, current_tenant(), user_id)
        if body.kind == "personal_erasure" and not await _others_administer(user_id):
            raise Conflict("An organisation keeps at least one active administrator. Make somebody else one first.")
        await redeem_ticket(body.ticket, purpose=purpose_of(body.kind), content_hash=about)
        return await work.ask(ArchiveKind(body.kind), user_id=user_id)


async def _others_administer(user_id: UUID) -> bool:
    held = (
        select(Membership.id)
        .join(User, col(User.id) == col(Membership.user_id))
        .join(MembershipRole, col(MembershipRole.membership_id) == col(Membership.id))
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(RoleRow.key) == ADMINISTRATOR, col(Membership.active).is_(True), col(User.active).is_(True))
    )
    administrators: Sequence[UUID] = (await session().exec(held)).all()
    mine = select(Membership.id).where(col(Membership.user_id) == user_id)
    own = set((await session().exec(mine)).all())
    return not administrators or bool(set(administrators) - own)


def personal_routers(requests: PersonalRequests) -> list[Router]:
    """The routes: of oneself, and of those who look after members."""
    return [_own_router(requests), _managing_router(requests)]


def _own_router(requests: PersonalRequests) -> Router:
    router = Router(prefix="/personal-data/mine", tag="Personal data", audit="kernel.archive")
    archives = work.Archives()

    async def mine(archive_id: UUID) -> Archive:
        me, _ = own_session()
        found = await find(archive_id, *PERSONAL)
        if found.user_id != me.id:
            raise NotFound(f"There is no archive with the id {archive_id} here.")
        return found

    @router.post(signed_in=True, status=202, summary="Export or erase what the organisation holds about me")
    async def request_my_data(body: OwnRequest) -> ArchiveOut:
        """An erasure ends the membership, and the account where it is the only one. Needs a ticket."""
        return ArchiveOut.model_validate(await requests.own(body))

    @router.get(signed_in=True, summary="My requests")
    async def list_my_data(query: Annotated[ListQuery, Query()]) -> Page[ArchiveOut]:
        me, _ = own_session()
        if me.tenant_id is None:
            return Page[ArchiveOut](items=[])
        about_me = col(Archive.user_id) == me.id, col(Archive.kind).in_(PERSONAL)
        return await archives.page(query, *about_me, into=ArchiveOut)

    @router.get("/{archive_id}", signed_in=True, summary="How far my request has come")
    async def get_my_data(archive_id: UUID) -> ArchiveOut:
        return ArchiveOut.model_validate(await mine(archive_id))

    @router.get("/{archive_id}/content", signed_in=True, summary="Download my data", response_model=None)
    async def download_my_data(archive_id: UUID) -> StreamingResponse:
        return await download(await mine(archive_id), f"personal-data-{archive_id}")

    return router


def _managing_router(requests: PersonalRequests) -> Router:
    router = Router(prefix="/personal-data/requests", tag="Personal data", audit="kernel.archive")
    archives = work.Archives()

    @router.post(require=MANAGE, status=202, summary="Export or erase what the organisation holds about a member")
    async def request_personal_data(body: MemberRequest) -> ArchiveOut:
        """Needs a ticket, and everything that the member may do."""
        return ArchiveOut.model_validate(await requests.of_member(body))

    @router.get(require=MANAGE, summary="List requests about people's data")
    async def list_personal_data(query: Annotated[ListQuery, Query()]) -> Page[ArchiveOut]:
        return await archives.page(query, col(Archive.kind).in_(PERSONAL), into=ArchiveOut)

    @router.get("/{archive_id}", require=MANAGE, summary="How far a request has come")
    async def get_personal_data(archive_id: UUID) -> ArchiveOut:
        return ArchiveOut.model_validate(await find(archive_id, *PERSONAL))

    @router.get("/{archive_id}/content", require=MANAGE, summary="Download a member's data", response_model=None)
    async def download_personal_data(archive_id: UUID) -> StreamingResponse:
        """Exports that somebody asked for about themselves are theirs alone."""
        found = await find(archive_id, *PERSONAL)
        if found.user_id is not None and found.requested_by_id == found.user_id:
            raise Forbidden("They have asked for it themselves, and it may tell of other organisations. Ask for one.")
        return await download(found, f"personal-data-{archive_id}")

    return router
