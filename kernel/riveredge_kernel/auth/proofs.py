"""Proving once more who one is, before something that a stolen access token must not be enough for."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlmodel import col, select

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.guesses import Guesses, is_known
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.passwords import verify_password
from riveredge_kernel.auth.second_factor import SecondFactor
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.db.database import Database
from riveredge_kernel.limits.turnstile import Turnstile
from riveredge_sdk.http import Body
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Forbidden, invalid_field
from riveredge_sdk.runtime import Runtime

# Somebody without a password and a second factor (OIDC) proves it by having signed in just now.
_JUST_NOW = timedelta(minutes=5)


class ProofIn(Body):
    """Who one is: the password of those who have one, and the code of those who have a second factor."""

    password: Annotated[str | None, Field(max_length=1000, description="Your current password.")] = None
    code: Annotated[
        str | None, Field(max_length=40, description="Of the authenticator, or a recovery code, if there is one.")
    ] = None


class Proofs:
    """Checks them."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        *,
        guesses: Guesses,
        second_factor: SecondFactor,
        turnstile: Turnstile,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._guesses = guesses
        self._second_factor = second_factor
        self._turnstile = turnstile

    async def check(self, user_id: UUID, session_id: UUID, device: Device, proof: ProofIn) -> tuple[User, list[str]]:
        """The user, and what they have shown: `password`, `totp`, `recovery_code`, or `session` for a fresh sign-in.

        Raises:
            Invalid: the password is missing or wrong, or the code is missing.
            Unauthorized: the code is wrong.
            Forbidden: there is nothing to show, and the sign-in is not fresh.
            TooManyRequests: too many wrong passwords or codes.
        """
        async with self._database.system("proof", self._runtime, read_only=True) as db:
            user = (await db.exec(select(User).where(col(User.id) == user_id))).one()
            session = (await db.exec(select(UserSession).where(col(UserSession.id) == session_id))).one()
            known = await is_known(db, user.id, device)
        shown: list[str] = []
        if user.password_hash is not None:
            await self._password(user, proof.password, device, known=known)
            shown.append("password")
        if await self._second_factor.is_on(user_id):
            if proof.code is None:
                raise invalid_field("code", "Send a code of your authenticator, too.", "missing")
            shown.append(await self._second_factor.verify(user_id, proof.code))
        if not shown:
            if session.created_at < utcnow() - _JUST_NOW:
                raise Forbidden("Sign in again first: your account has neither a password nor a second factor to show.")
            shown.append("session")
        return user, shown

    async def _password(self, user: User, password: str | None, device: Device, *, known: bool) -> None:
        if password is None:
            raise invalid_field("password", "Send your current password.", "missing")
        async with self._turnstile.enter(device.network):
            await self._guesses.check(user.email, device, known=known)
            if not await verify_password(password, user.password_hash):
                too_many = await self._guesses.wrong(user.email, device, known=known)
                raise too_many or invalid_field("password", "The password is wrong.", "wrong_password")
            await self._guesses.right(user.email, known=known)
