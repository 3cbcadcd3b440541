"""A person's own account: choosing a password, recovering one, proving that an address is theirs."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.guesses import Guesses
from riveredge_kernel.auth.mails import AccountMail, AccountMails
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.one_time import OneTimeTokens, Purpose
from riveredge_kernel.auth.password_policy import PasswordPolicy
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.auth.trail import note
from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.limiter import Limiter
from riveredge_sdk.limits import Limit
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict, Problem, invalid_field
from riveredge_sdk.runtime import Runtime

_TOO_MANY_MAILS = "Too many mails were asked for."
MAILS_TO_ACCOUNT = Limit("kernel.mail_account", 5, 3600, _TOO_MANY_MAILS)
MAILS_FROM_NETWORK = Limit("kernel.mail_network", 50, 3600, _TOO_MANY_MAILS)


def _bad_link() -> Problem:
    return invalid_field(
        "token", "This link is not good any more: it was used, replaced by a later one, or is too old.", "bad_token"
    )


class Accounts:
    """What people do about their own accounts."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        *,
        mails: AccountMails,
        sessions: Sessions,
        guesses: Guesses,
        limiter: Limiter,
        policy: PasswordPolicy,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._mails = mails
        self._sessions = sessions
        self._guesses = guesses
        self._limiter = limiter
        self._policy = policy

    async def forgot(self, email: str, device: Device) -> None:
        """Send whoever has this address a link to choose a new password. The caller learns nothing about who has.

        Raises:
            Unavailable: the installation sends no mails.
            TooManyRequests: too often for this address, or from there.
        """
        self._mails.require_mailer()
        await self._limiter.hit(MAILS_FROM_NETWORK, device.network)
        await self._limiter.hit(MAILS_TO_ACCOUNT, email)
        await self._mails.ask(AccountMail(kind="reset_password", address=email))

    async def reset(self, token: str, password: str) -> None:
        """Choose a password by the link of a mail. Ends all sessions and lifts a lock; a second factor stays.

        Raises:
            Invalid: the link is not good any more, or the password is not good enough.
        """
        async with self._database.system("reset password", self._runtime, read_only=True) as db:
            # Before the hash: strangers without a link cost no computing time.
            row = await OneTimeTokens.find(db, token, Purpose.RESET_PASSWORD)
            user = await _user(db, row.user_id) if row is not None else None
        if row is None or user is None or not user.active or row.data["email"] != user.email:
            raise _bad_link()
        hashed = await self._policy.hash(password, about=(user.email, user.name))
        async with self._database.system("reset password", self._runtime) as db:
            if await OneTimeTokens.take(db, token, Purpose.RESET_PASSWORD) is None:
                raise _bad_link()
            verified = user.email_verified_at if row.data.get("by_hand") else utcnow()
            await self._set(db, user.id, hashed, because="password reset")
            await db.exec(update(User).where(col(User.id) == user.id).values(email_verified_at=verified))
        await self._guesses.unlock(user.email)
        await self._mails.tell(user, "password")

    async def change_password(self, user: User, password: str, *, keep: UUID) -> None:
        """Choose another password; ends all sessions but one. The caller has proven who they are.

        Raises:
            Invalid: the password is not good enough.
        """
        hashed = await self._policy.hash(password, about=(user.email, user.name), field="new_password")
        async with self._database.system("change password", self._runtime) as db:
            await self._set(db, user.id, hashed, because="password changed", keep=keep)
        await self._mails.tell(user, "password")

    async def _set(
        self, db: AsyncSession, user_id: UUID, hashed: str, *, because: str, keep: UUID | None = None
    ) -> None:
        await db.exec(update(User).where(col(User.id) == user_id).values(password_hash=hashed))
        await OneTimeTokens.cancel(db, user_id)
        await note(db, "password_changed", user_id, because=because)
        await self._sessions.revoke_all(db, user_id, because, but=keep)

    async def ask_to_verify(self, user: User, address: str, device: Device) -> None:
        """Send a link to the address that makes it the user's.

        Raises:
            Unavailable: the installation sends no mails.
            TooManyRequests: too often.
        """
        self._mails.require_mailer()
        await self._limiter.hit(MAILS_FROM_NETWORK, device.network)
        await self._limiter.hit(MAILS_TO_ACCOUNT, address)
        await self._mails.ask(AccountMail(kind="verify_email", address=address, user_id=user.id))

    async def verify(self, token: str) -> None:
        """The link of such a mail was opened: the address is the user's. The one before is told.

        Raises:
            Invalid: the link is not good any more.
            Conflict: somebody else has the address meanwhile.
        """
        try:
            async with self._database.system("verify e-mail", self._runtime) as db:
                row = await OneTimeTokens.take(db, token, Purpose.VERIFY_EMAIL)
                user = await _user(db, row.user_id) if row is not None else None
                if row is None or user is None or not user.active:
                    raise _bad_link()
                before, address = user.email, str(row.data["email"])
                values = {"email": address, "email_verified_at": utcnow()}
                await db.exec(update(User).where(col(User.id) == user.id).values(**values))
                if before != address:
                    # A link to the old address must not open the account that has left it.
                    await OneTimeTokens.cancel(db, user.id)
                    await note(db, "email_changed", user.id)
        except IntegrityError:
            raise Conflict("Another account has this address.") from None
        if before != address:
            await self._mails.tell(user, "email", address=before)


async def _user(db: AsyncSession, user_id: UUID) -> User | None:
    return (await db.exec(select(User).where(col(User.id) == user_id))).one_or_none()
