"""Signing in, and creating users."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.guesses import Guesses, is_known
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.one_time import OneTimeTokens, Purpose
from riveredge_kernel.auth.password_policy import PasswordPolicy
from riveredge_kernel.auth.passwords import verify_password
from riveredge_kernel.auth.second_factor import SecondFactor, SecondFactorRequired
from riveredge_kernel.auth.sessions import Opened, Sessions
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.auth.trail import note
from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.turnstile import Turnstile
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.context import Context, find_context, use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Forbidden, NotFound, Problem, Unauthorized
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import publish, unit_of_work


class FailedSignIn(BaseModel):
    """Whose password was wrong, if the address has an account, and from where."""

    user_id: UUID | None
    ip: str


SIGN_IN_FAILED = EventType("kernel/sign_in.failed", FailedSignIn, "A sign-in has failed")
# From the password to the code.
CHALLENGE_LIFE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Demands:
    """What the session lacks for the organisation: a second factor, from `since` on. `refused`: that is now."""

    since: datetime
    refused: bool


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
    demands: Demands | None = None


def normalized(email: str) -> str:
    """An address as it is kept and compared."""
    return email.strip().lower()


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
        guesses: Guesses,
        policy: PasswordPolicy,
        second_factor: SecondFactor,
        turnstile: Turnstile,
        tenants: TenantDirectory,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._tenants = tenants
        self._tokens = tokens
        self.sessions = sessions
        self._grants = grants
        self._guesses = guesses
        self._policy = policy
        self._second_factor = second_factor
        self._turnstile = turnstile

    async def login(
        self, email: str, password: str, device: Device, slug: str | None = None, *, code: str | None = None
    ) -> SignedIn:
        """Sign in with a password, and a code if the user has a second factor.

        Args:
            slug: the tenant to act in; by default the user's only one.
            code: of the authenticator, or a recovery code.

        Raises:
            Unauthorized: address or password are wrong; which of them is not told, and both take the same work.
            SecondFactorRequired: the password is right, and there is no code; see `finish`.
            TooManyRequests: too many wrong passwords, for this account or from this address.
            Forbidden: the user is no member of the tenant.
            Unavailable: too many others sign in at this moment.
        """
        account = normalized(email)
        self._guesses.recall(account, device)
        async with self._turnstile.enter(device.network):
            # Others have been refused while this one waited.
            self._guesses.recall(account, device)
            user = await self._proven(account, password, device)
        second = await self._second_factor.is_on(user.id)
        if second and code is None:
            raise await self._challenge(user, slug)
        if second and code is not None:
            await self._second_factor.verify(user.id, code)
        return await self.begin(user, device, method="password", slug=slug, second_factor=second)

    async def _challenge(self, user: User, slug: str | None) -> SecondFactorRequired:
        async with self._database.system("sign-in", self._runtime) as db:
            challenge = await OneTimeTokens.issue(
                db, user.id, Purpose.SECOND_FACTOR, CHALLENGE_LIFE, {"tenant": slug}, replace=False
            )
        return SecondFactorRequired(
            "Send the challenge and a code of your authenticator, or a recovery code, to "
            "POST /api/v1/auth/login/second-factor.",
            headers={"Cache-Control": "no-store"},
            extensions={"challenge": challenge, "expires_in": int(CHALLENGE_LIFE.total_seconds())},
        )

    async def finish(self, challenge: str, code: str, device: Device) -> SignedIn:
        """Go on with a sign-in that asked for a second factor.

        Raises:
            Unauthorized: the challenge is too old or was used, or the code is wrong.
            TooManyRequests: too many wrong codes for this account.
        """
        over = Unauthorized("This sign-in has taken too long. Begin again with the password.")
        async with self._database.system("sign-in", self._runtime, read_only=True) as db:
            row = await OneTimeTokens.find(db, challenge, Purpose.SECOND_FACTOR)
        if row is None:
            raise over
        await self._second_factor.verify(row.user_id, code)
        async with self._database.system("sign-in", self._runtime) as db:
            if await OneTimeTokens.take(db, challenge, Purpose.SECOND_FACTOR) is None:
                raise over
        user = await self._user(row.user_id)
        if not user.active:
            raise Unauthorized("This account is not active any more.")
        return await self.begin(user, device, method="password", slug=row.data["tenant"], second_factor=True)

    async def _proven(self, account: str, password: str, device: Device) -> User:
        async with self._database.system("sign-in", self._runtime, read_only=True) as db:
            user = (await db.exec(select(User).where(col(User.email) == account))).one_or_none()
            known = await is_known(db, user.id if user else None, device)
        await self._guesses.check(account, device, known=known)
        fits = await verify_password(password, user.password_hash if user else None)
        if user is None or not fits or not user.active:
            raise await self._failure(account, user, device, known=known)
        await self._guesses.right(account, known=known)
        return user

    async def _failure(self, account: str, user: User | None, device: Device, *, known: bool) -> Problem:
        """Count the wrong guess and tell of it in one transaction, because SQLite's writers wait for one another.

        By an event, so that it is as much work whoever has the address, and the entry is written later.
        """
        found = find_context()
        context = Context(
            runtime=self._runtime, system_reason="failed sign-in", request_id=found.request_id if found else ""
        )
        with use_context(context):
            async with unit_of_work(independent=True) as db:
                publish(SIGN_IN_FAILED, FailedSignIn(user_id=user.id if user else None, ip=device.ip))
                too_many = await self._guesses.wrong(account, device, known=known, within=db)
        return too_many or Unauthorized("E-mail address or password are wrong.")

    async def note_failure(self, failed: FailedSignIn) -> None:
        """Write the entry."""
        if failed.user_id is not None:
            async with self._database.system("sign-in", self._runtime) as db:
                await note(db, "sign_in_failed", failed.user_id, ip=failed.ip)

    async def begin_bound(self, user_id: UUID, tenant_id: UUID, device: Device, *, method: str) -> SignedIn:
        """A new session of somebody for whom only this tenant's identity provider has vouched.

        Raises:
            Unauthorized: the account is not active, or no member any more.
        """
        user, tenants = await self.me(user_id, only=tenant_id)
        if not user.active or not tenants:
            raise Unauthorized("This account is not active any more.")
        async with self._database.system("sign-in", self._runtime) as db:
            opened = await self.sessions.open(db, user_id, device, method=method, tenant_id=tenant_id, bound=True)
            await note(db, "signed_in", user_id, tenant_id=tenant_id, method=method, ip=device.ip)
        return self._signed_in(user, opened.session.id, tenants[0], tenants, opened.refresh_token, bound=True)

    async def begin(
        self, user: User, device: Device, *, method: str, slug: str | None = None, second_factor: bool = False
    ) -> SignedIn:
        """A new session of somebody who has proven who they are.

        Args:
            method: how (`password`, `oidc`, …); the session shows it.
            second_factor: whether they have shown one.

        Raises:
            Forbidden: the user is no member of the tenant.
        """
        tenants = await self._tenants_of(user.id)
        tenant = _chosen(tenants, slug)
        async with self._database.system("sign-in", self._runtime) as db:
            opened = await self.sessions.open(
                db,
                user.id,
                device,
                method=method,
                second_factor=second_factor,
                tenant_id=tenant.id if tenant else None,
            )
            where = tenant.id if tenant else None
            how = {"method": method, "ip": device.ip}
            await note(db, "signed_in", user.id, tenant_id=where, second_factor=second_factor, **how)
        made = self._signed_in(user, opened.session.id, tenant, tenants, opened.refresh_token)
        return await self._with_demands(made, second_factor=second_factor)

    async def refresh(self, token: str, device: Device) -> SignedIn:
        """New tokens for a session, for the tenant it acts in.

        Raises:
            Unauthorized: see `Sessions.refresh`; or the account is not active any more.
        """
        opened: Opened = await self.sessions.refresh(token, device)
        user = await self._user(opened.session.user_id)
        if not user.active:
            raise Unauthorized("This account is not active any more.")
        acting, bound = opened.session.acting_tenant_id, opened.session.bound
        tenants = await self._tenants_of(user.id, only=acting if bound else None)
        if bound and (acting is None or not tenants):
            raise Unauthorized("This account is not active any more.")
        tenant = next((t for t in tenants if t.id == acting), None) or _chosen(tenants, None)
        await self._not_too_long(opened, tenant)
        made = self._signed_in(user, opened.session.id, tenant, tenants, opened.refresh_token, bound=bound)
        return await self._with_demands(made, second_factor=opened.session.second_factor or bound)

    async def switch(self, user_id: UUID, session_id: UUID, slug: str, *, only: UUID | None = None) -> SignedIn:
        """A token for another of the user's tenants, which the session acts in from now on.

        Args:
            only: the tenant that the session is bound to.

        Raises:
            Forbidden: the user is no member of it, or the session is bound to another.
        """
        user, tenants = await self.me(user_id, only=only)
        tenant = _chosen(tenants, slug)
        async with self._database.system("switch tenant", self._runtime) as db:
            await self.sessions.act_in(db, session_id, tenant.id if tenant else None)
        session = await self.sessions.live(session_id, user_id)
        made = self._signed_in(user, session_id, tenant, tenants, None, bound=only is not None)
        shown = only is not None or (session is not None and session.second_factor)
        return await self._with_demands(made, second_factor=shown)

    async def _with_demands(self, made: SignedIn, *, second_factor: bool) -> SignedIn:
        """With what the organisation demands besides, so that a client can ask for it before anything is refused."""
        tenant = await self._tenants.get(made.tenant.id) if made.tenant is not None and not second_factor else None
        since = tenant.policy.second_factor_from if tenant is not None else None
        if since is None:
            return made
        return replace(made, demands=Demands(since, refused=since <= utcnow()))

    async def _not_too_long(self, opened: Opened, tenant: Tenant | None) -> None:
        """End the session, and raise `Unauthorized`, if it has lasted or paused longer than the organisation allows."""
        info = await self._tenants.get(tenant.id) if tenant is not None else None
        if info is None:
            return
        age = utcnow() - opened.session.created_at
        for limit, hours in ((info.policy.session_max_hours, age), (info.policy.session_idle_hours, opened.idle)):
            if limit is not None and hours > timedelta(hours=limit):
                async with self._database.system("refresh", self._runtime) as db:
                    await self.sessions.revoke(db, [opened.session.id], "the organisation's limit")
                raise Unauthorized(f"This organisation has you sign in again after {limit} h. Sign in again.")

    async def has_second_factor(self, user_id: UUID) -> bool:
        """Whether the user signs in with a second factor."""
        return await self._second_factor.is_on(user_id)

    async def find(self, email: str) -> User:
        """The user of this address.

        Raises:
            NotFound: there is none.
        """
        async with self._database.system("find user", self._runtime, read_only=True) as db:
            user = (await db.exec(select(User).where(col(User.email) == normalized(email)))).one_or_none()
        if user is None:
            raise NotFound(f"There is no user {email}.")
        return user

    async def me(self, user_id: UUID, *, only: UUID | None = None) -> tuple[User, list[Tenant]]:
        """The user, and the tenants they are a member of; with `only`, at most this one."""
        return await self._user(user_id), await self._tenants_of(user_id, only=only)

    def _signed_in(
        self,
        user: User,
        session_id: UUID,
        tenant: Tenant | None,
        tenants: list[Tenant],
        refresh_token: str | None,
        *,
        bound: bool = False,
    ) -> SignedIn:
        self._grants.forget(user.id)
        token = self._tokens.issue(user.id, session_id, tenant_id=tenant.id if tenant else None, bound=bound)
        return SignedIn(token, refresh_token, self._tokens.seconds, user, tenant, tenants)

    async def _user(self, user_id: UUID) -> User:
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            return (await session.exec(select(User).where(col(User.id) == user_id))).one()

    async def _tenants_of(self, user_id: UUID, *, only: UUID | None = None) -> list[Tenant]:
        async with self._database.system("sign-in", self._runtime, read_only=True) as session:
            query = (
                select(Tenant)
                .join(Membership, col(Membership.tenant_id) == col(Tenant.id))
                .where(col(Membership.user_id) == user_id, col(Membership.active).is_(True))
                .order_by(col(Tenant.slug))
            )
            return [tenant for tenant in await session.exec(query) if only is None or tenant.id == only]

    async def set_password(self, user_id: UUID, password: str) -> None:
        """Set a password, end all sessions, and lift a lock: for the command line.

        Raises:
            Invalid: it is not good enough.
        """
        user = await self._user(user_id)
        hashed = await self._policy.hash(password, about=(user.email, user.name))
        async with self._database.system("set password", self._runtime) as db:
            await db.exec(update(User).where(col(User.id) == user_id).values(password_hash=hashed))
            await OneTimeTokens.cancel(db, user_id)
            await note(db, "password_changed", user_id, because="set by an operator")
            await self.sessions.revoke_all(db, user_id, "password set by an operator")
        await self._guesses.unlock(user.email)
