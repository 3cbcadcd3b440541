"""Accepting an invitation: with a new account, or with the one that one has."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.invitations import Invitation
from riveredge_kernel.auth.models import RoleRow, User
from riveredge_kernel.auth.password_policy import PasswordPolicy
from riveredge_kernel.auth.service import AuthService, SignedIn
from riveredge_kernel.auth.sessions import hashed
from riveredge_kernel.auth.trail import note
from riveredge_kernel.db.database import Database
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.tenancy.provisioning import ensure_membership, give_role
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict, Forbidden, invalid_field
from riveredge_sdk.runtime import Runtime


class Joining:
    """What the invited do. They have no tenant yet, hence the hatch."""

    def __init__(
        self, database: Database, runtime: Runtime, *, auth: AuthService, grants: Grants, policy: PasswordPolicy
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._auth = auth
        self._grants = grants
        self._policy = policy

    async def look(self, token: str) -> tuple[Invitation, Tenant, bool]:
        """The invitation, its tenant, and whether the address has an account.

        Raises:
            Invalid: the link is not good any more.
            Forbidden: the organisation is suspended.
        """
        async with self._database.system("invitation", self._runtime, read_only=True) as db:
            invitation, tenant = await _open(db, token)
            user = (await db.exec(select(User).where(col(User.email) == invitation.email))).one_or_none()
        return invitation, tenant, user is not None

    async def accept(self, token: str, name: str, password: str, device: Device, locale: str | None) -> SignedIn:
        """Make an account, join, and sign in.

        Raises:
            Invalid: the link is not good any more, or the password is not good enough.
            Conflict: the address has an account already; a link alone does not open that.
        """
        # Before the hash: strangers without a link cost no computing time.
        invitation, _, exists = await self.look(token)
        if exists:
            raise _has_account()
        password_hash = await self._policy.hash(password, about=(invitation.email, name))
        try:
            async with self._database.system("invitation", self._runtime) as db:
                invitation, tenant = await _open(db, token, lock=True)
                user = User(
                    email=invitation.email,
                    name=name or invitation.name or invitation.email.partition("@")[0],
                    password_hash=password_hash,
                    locale=locale,
                    email_verified_at=None if invitation.by_hand else utcnow(),
                )
                db.add(user)
                await db.flush()
                await _join(db, invitation, user.id)
        except IntegrityError:
            raise _has_account() from None
        self._grants.invalidate()
        return await self._auth.begin(user, device, method="invitation", slug=tenant.slug)

    async def join(self, token: str, user_id: UUID) -> Tenant:
        """Join with the account that one is signed in to.

        Raises:
            Invalid: the link is not good any more.
            Forbidden: it was sent to another address.
        """
        async with self._database.system("invitation", self._runtime) as db:
            invitation, tenant = await _open(db, token, lock=True)
            user = (await db.exec(select(User).where(col(User.id) == user_id))).one()
            if user.email != invitation.email:
                raise Forbidden(
                    "This invitation was sent to another e-mail address than that of your account. Sign in with "
                    "that one, or ask for an invitation to yours."
                )
            if not invitation.by_hand and user.email_verified_at is None:
                await db.exec(update(User).where(col(User.id) == user_id).values(email_verified_at=utcnow()))
            await _join(db, invitation, user_id)
        self._grants.invalidate()
        return tenant


def _has_account() -> Conflict:
    return Conflict("This address has an account. Sign in to it, and then POST /api/v1/auth/invitations/join.")


async def _open(db: AsyncSession, token: str, *, lock: bool = False) -> tuple[Invitation, Tenant]:
    query = select(Invitation).where(col(Invitation.token_hash) == hashed(token))
    invitation = (await db.exec(query.with_for_update() if lock else query)).one_or_none()
    if invitation is None or not invitation.is_open:
        raise invalid_field(
            "token",
            "This invitation is not open any more: it was accepted, replaced, withdrawn or is too old.",
            "bad_token",
        )
    tenant = (await db.exec(select(Tenant).where(col(Tenant.id) == invitation.tenant_id))).one()
    if tenant.status != TenantStatus.ACTIVE:
        raise Forbidden("This organisation is suspended.")
    return invitation, tenant


async def _join(db: AsyncSession, invitation: Invitation, user_id: UUID) -> None:
    membership = await ensure_membership(db, invitation.tenant_id, user_id)
    here = col(RoleRow.tenant_id) == invitation.tenant_id, col(RoleRow.key).in_(invitation.roles)
    # A role may have gone since.
    for role in (await db.exec(select(RoleRow).where(*here))).all():
        await give_role(db, membership, role.key)
    await note(db, "invitation_accepted", user_id, tenant_id=invitation.tenant_id)
    invitation.accepted_at, invitation.accepted_by, invitation.token_hash = utcnow(), user_id, None
