"""The second factor: codes of an authenticator app, and recovery codes for when the phone is lost."""

import secrets
import time
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from cryptography.fernet import MultiFernet
from sqlalchemy import UniqueConstraint, delete, func, update
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.guesses import Guesses
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.auth.sessions import hashed
from riveredge_kernel.auth.totp import matching_step, new_secret, uri
from riveredge_kernel.auth.trail import note
from riveredge_kernel.db.base import KernelPlatformModel
from riveredge_kernel.db.database import Database
from riveredge_sdk.models import UtcDateTime, utcnow
from riveredge_sdk.problems import Conflict, Unauthorized, invalid_field
from riveredge_sdk.runtime import Runtime

_RECOVERY_CODES = 10
# Without what is easily mistaken: 0 and o, 1 and l and i. 12 of 31 letters are 59 bits, and guesses are limited.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class Totp(KernelPlatformModel, table=True):
    """A user's authenticator; in force once a code of it was shown. `last_step` is the period of the last code used."""

    __tablename__ = "kernel_totp"

    user_id: UUID = Field(foreign_key="kernel_user.id", ondelete="CASCADE", unique=True)
    secret: str = Field(max_length=500, description="Encrypted.")
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_step: int = 0


class RecoveryCode(KernelPlatformModel, table=True):
    """A code that replaces the authenticator once."""

    __tablename__ = "kernel_recovery_code"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    user_id: UUID = Field(foreign_key="kernel_user.id", ondelete="CASCADE")
    code_hash: str = Field(max_length=64)


class SecondFactorRequired(Unauthorized):
    """The password was right; `challenge` continues the sign-in together with a code."""

    code: ClassVar[str] = "second-factor-required"
    title: ClassVar[str] = "A second factor is needed"


def _plain(code: str) -> str:
    return code.strip().lower().replace("-", "").replace(" ", "")


class SecondFactor:
    """Switches it on and off, and checks codes."""

    def __init__(self, database: Database, runtime: Runtime, vault: MultiFernet, guesses: Guesses) -> None:
        self._database = database
        self._runtime = runtime
        self._vault = vault
        self._guesses = guesses

    async def is_on(self, user_id: UUID) -> bool:
        """Whether the user signs in with a second factor."""
        async with self._database.system("second factor", self._runtime, read_only=True) as db:
            row = await _totp(db, user_id)
        return row is not None and row.confirmed_at is not None

    async def recovery_codes_left(self, user_id: UUID) -> int:
        """How many recovery codes have not been used."""
        query = select(func.count()).select_from(RecoveryCode).where(col(RecoveryCode.user_id) == user_id)
        async with self._database.system("second factor", self._runtime, read_only=True) as db:
            return (await db.exec(query)).one()

    async def begin(self, user: User, issuer: str) -> tuple[str, str]:
        """A new secret, and its address for a QR code. Not in force before a code of it was shown.

        Raises:
            Conflict: the second factor is on already.
        """
        secret = new_secret()
        async with self._database.system("second factor", self._runtime) as db:
            row = await _totp(db, user.id, lock=True)
            if row is not None and row.confirmed_at is not None:
                raise Conflict("The second factor is on. Switch it off before you set up another.")
            row = row or Totp(user_id=user.id, secret="")
            row.secret, row.last_step = self._vault.encrypt(secret.encode()).decode(), 0
            db.add(row)
        return secret, uri(secret, user.email, issuer)

    async def confirm(self, user_id: UUID, code: str, *, session_id: UUID) -> list[str]:
        """Switch it on by a first code; the recovery codes, shown this once.

        Raises:
            Conflict: it is on, or was not begun.
            Invalid: the code is wrong.
            TooManyRequests: too many wrong codes.
        """
        await self._guesses.check_code(user_id)
        codes: list[str] = []
        async with self._database.system("second factor", self._runtime) as db:
            row = await _totp(db, user_id, lock=True)
            if row is None or row.confirmed_at is not None:
                raise Conflict("Begin with POST /api/v1/auth/second-factor." if row is None else "It is on already.")
            step = matching_step(self._secret(row), _plain(code), time.time())
            if step is not None:
                row.confirmed_at, row.last_step = utcnow(), step
                codes = await _new_codes(db, user_id)
                await note(db, "second_factor_on", user_id)
                # They have just shown it, so this session goes on as one with a second factor.
                here = (await db.exec(select(UserSession).where(col(UserSession.id) == session_id))).one()
                here.second_factor = True
        if not codes:
            await self._guesses.wrong_code(user_id)
            raise invalid_field("code", "The code is wrong. Is the clock of the phone right?", "wrong_code")
        await self._guesses.right_code(user_id)
        return codes

    async def renew_codes(self, user_id: UUID) -> list[str]:
        """New recovery codes instead of the old ones.

        Raises:
            Conflict: the second factor is off.
        """
        async with self._database.system("second factor", self._runtime) as db:
            row = await _totp(db, user_id, lock=True)
            if row is None or row.confirmed_at is None:
                raise Conflict("The second factor is off.")
            return await _new_codes(db, user_id)

    async def switch_off(self, user_id: UUID) -> None:
        """Ask for no codes any more."""
        async with self._database.system("second factor", self._runtime) as db:
            await db.exec(delete(Totp).where(col(Totp.user_id) == user_id))
            await db.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
            await note(db, "second_factor_off", user_id)
        await self._guesses.right_code(user_id)

    async def verify(self, user_id: UUID, code: str) -> str:
        """Use up a code of the authenticator, or a recovery code; which of them it was: `totp` or `recovery_code`.

        Raises:
            Unauthorized: it is wrong, or was used before.
            TooManyRequests: too many wrong codes.
        """
        await self._guesses.check_code(user_id)
        async with self._database.system("second factor", self._runtime) as db:
            used = await self._use(db, user_id, _plain(code))
        if used is None:
            async with self._database.system("second factor", self._runtime) as db:
                await note(db, "second_factor_failed", user_id)
            await self._guesses.wrong_code(user_id)
            raise Unauthorized("The code is wrong, or was used before. Wait for the next one.")
        await self._guesses.right_code(user_id)
        return used

    async def _use(self, db: AsyncSession, user_id: UUID, code: str) -> str | None:
        row = await _totp(db, user_id)
        if row is None or row.confirmed_at is None:
            return None
        step = matching_step(self._secret(row), code, time.time())
        if step is not None:
            # One statement: of two that send the same code at once, one finds the step taken.
            newer = col(Totp.user_id) == user_id, col(Totp.last_step) < step
            taken = await db.exec(update(Totp).where(*newer).values(last_step=step))
            return "totp" if taken.rowcount else None
        own = col(RecoveryCode.user_id) == user_id, col(RecoveryCode.code_hash) == hashed(f"{user_id}{code}")
        gone = await db.exec(delete(RecoveryCode).where(*own))
        return "recovery_code" if gone.rowcount else None

    def _secret(self, row: Totp) -> str:
        return self._vault.decrypt(row.secret.encode()).decode()


async def _totp(db: AsyncSession, user_id: UUID, *, lock: bool = False) -> Totp | None:
    query = select(Totp).where(col(Totp.user_id) == user_id)
    return (await db.exec(query.with_for_update() if lock else query)).one_or_none()


async def _new_codes(db: AsyncSession, user_id: UUID) -> list[str]:
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(_RECOVERY_CODES)]
    await db.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    db.add_all(RecoveryCode(user_id=user_id, code_hash=hashed(f"{user_id}{code}")) for code in codes)
    return ["-".join(code[at : at + 4] for at in (0, 4, 8)) for code in codes]
