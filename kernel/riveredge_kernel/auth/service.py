"""Signing in, and creating users."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.passwords import hash_password, verify_password
from riveredge_kernel.auth.sessions import Opened, Sessions
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import AuthSettings
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Forbidden, TooManyRequests, Unauthorized
from riveredge_sdk.runtime import Runtime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`tenant` is the one the token is for; None if the user has to choose among `tenants`.

    `refresh_token` is None where the session goes on with the one it has.
    """

    access_token: str
    refresh_token: str | None
    expires_in: int
    user: User
    tenant: Tenant | None
    tenants: list[Tenant]


def normalized(email: str) -> str:
    """An address as it is kept and compared."""
    return email.strip().lower()


def _refuse_locked(user: User) -> None:
    now = utcnow()
    if user.locked_until is not None and user.locked_until > now:
        seconds = int((user.locked_until - now).total_seconds()) + 1
        raise TooManyRequests(
            "Too many wrong passwords. Wait before the next try.", headers={"Retry-After": str(seconds)}
        )


def _chosen(tenants: list[Tenant], slug: str | None) -> Tenant | None:
    """The tenant to act in: the one that is named, else the only one."""
    if slug is None:
        return tenants[0] if len(tenants) == 1 else None
    found = next((tenant for tenant in tenants if tenant.slug == slug), None)
    if found is None:
        raise Forbidden(f"You are no member of an organisation {slug!r}.")
    return found


class AuthService:
    """What the sign-in routes and the command line do."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        *,
        tokens: TokenService,
        sessions: Sessions,
        grants: Grants,
        settings: AuthSettings,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._tokens = tokens
        self.sessions = sessions
        self._grants = grants
        self._settings = settings

    async def login(self, email: str, password: str, device: Device, slug: str | None = None) -> SignedIn:
        """Sign in with a password.

        Args:
            slug: the tenant to act in; by default the user's only one.

        Raises:
            Unauthorized: address or password are wrong; which of them is not told.
            TooManyRequests: too many wrong passwords in a row.
            Forbidden: the user is no member of the tenant.
        """
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            user = (await session.exec(select(User).where(col(User.email) == normalized(email)))).one_or_none()
        if user is not None:
            _refuse_locked(user)
        fits = await verify_password(password, user.password_hash if user else None)
        if user is not None:
            await self._note_try(user.id, fits=fits)
        if user is None or not fits or not user.active:
            raise Unauthorized("E-mail address or password are wrong.")
        return await self.begin(user, device, method="password", slug=slug)

    async def begin(self, user: User, device: Device, *, method: str, slug: str | None = None) -> SignedIn:
        """A new session of somebody who has proven who they are.

        Args:
            method: how (`password`, `oidc`, …); the session shows it.

        Raises:
            Forbidden: the user is no member of the tenant.
        """
        tenants = await self._tenants_of(user.id)
        tenant = _chosen(tenants, slug)
        async with self._database.system("sign-in", self._runtime) as db:
            opened = await self.sessions.open(
                db, user.id, device, method=method, tenant_id=tenant.id if tenant else None
            )
        return self._signed_in(user, opened.session.id, tenant, tenants, opened.refresh_token)

    async def refresh(self, token: str, device: Device) -> SignedIn:
        """New tokens for a session, for the tenant it acts in.

        Raises:
            Unauthorized: see `Sessions.refresh`; or the account is not active any more.
        """
        opened: Opened = await self.sessions.refresh(token, device)
        user = await self._user(opened.session.user_id)
        if not user.active:
            raise Unauthorized("This account is not active any more.")
        tenants = await self._tenants_of(user.id)
        acting = opened.session.acting_tenant_id
        tenant = next((t for t in tenants if t.id == acting), None) or _chosen(tenants, None)
        return self._signed_in(user, opened.session.id, tenant, tenants, opened.refresh_token)

    async def switch(self, user_id: UUID, session_id: UUID, slug: str) -> SignedIn:
        """A token for another of the user's tenants, which the session acts in from now on.

        Raises:
            Forbidden: the user is no member of it.
        """
        user, tenants = await self.me(user_id)
        tenant = _chosen(tenants, slug)
        async with self._database.system("switch tenant", self._runtime) as db:
            await self.sessions.act_in(db, session_id, tenant.id if tenant else None)
        return self._signed_in(user, session_id, tenant, tenants, None)

    async def me(self, user_id: UUID) -> tuple[User, list[Tenant]]:
        """The user, and the tenants they are a member of."""
        return await self._user(user_id), await self._tenants_of(user_id)

    def _signed_in(
        self, user: User, session_id: UUID, tenant: Tenant | None, tenants: list[Tenant], refresh_token: str | None
    ) -> SignedIn:
        self._grants.forget(user.id)
        token = self._tokens.issue(user.id, session_id, tenant_id=tenant.id if tenant else None)
        return SignedIn(token, refresh_token, self._tokens.seconds, user, tenant, tenants)

    async def _user(self, user_id: UUID) -> User:
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            return (await session.exec(select(User).where(col(User.id) == user_id))).one()

    async def _tenants_of(self, user_id: UUID) -> list[Tenant]:
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            query = (
                select(Tenant)
                .join(Membership, col(Membership.tenant_id) == col(Tenant.id))
                .where(col(Membership.user_id) == user_id, col(Membership.active).is_(True))
                .order_by(col(Tenant.slug))
            )
            return list((await session.exec(query)).all())

    async def _note_try(self, user_id: UUID, *, fits: bool) -> None:
        """Count in the database, so that simultaneous tries all count; the last one allowed locks.

        Raises:
            TooManyRequests: others have locked the account since this try began; its outcome is not told.
        """
        async with self._database.system("sign-in", self._runtime, read_only=fits) as session:
            found = select(User).where(col(User.id) == user_id)
            row = (await session.exec(found if fits else found.with_for_update())).one()
            _refuse_locked(row)
            if not fits:
                row.failed_logins += 1
                if row.failed_logins >= self._settings.max_failed_logins:
                    row.failed_logins = 0
                    row.locked_until = utcnow() + timedelta(minutes=self._settings.lock_minutes)
        if fits and row.failed_logins:
            await self._set_failures(user_id, 0)

    async def _set_failures(self, user_id: UUID, count: int) -> None:
        async with self._database.system("sign-in", self._runtime) as session:
            await session.exec(update(User).where(col(User.id) == user_id).values(failed_logins=count))

    async def set_password(self, user_id: UUID, password: str) -> None:
        """Set a password, and lift a lock.

        Raises:
            Invalid: it is too short or too long.
        """
        hashed = await hash_password(password)
        async with self._database.system("set password", self._runtime) as session:
            values = {"password_hash": hashed, "failed_logins": 0, "locked_until": None}
            await session.exec(update(User).where(col(User.id) == user_id).values(**values))
