"""How often one may guess: passwords by account and by address, second factors by account. Counted in the database.

Accounts are counted by the address that was typed, whether it exists or not, so that a lock tells nobody who has an
account. An account has two counts: one for networks that it was lately used from, one for all others, so that a
stranger's wrong guesses do not lock its owner out.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.limits.limiter import Limiter, too_many
from riveredge_kernel.settings import AuthSettings
from riveredge_sdk.limits import Limit
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import TooManyRequests

_KNOWN_FOR = timedelta(days=30)
_RECALLED_SECONDS = 1.0
_REMEMBERED = 10_000


class Guesses:
    """The limits of guessing."""

    def __init__(self, limiter: Limiter, settings: AuthSettings) -> None:
        self._limiter = limiter
        seconds = settings.lock_minutes * 60
        wrong = "Too many wrong passwords."
        self._account = Limit("kernel.login_account", settings.max_failed_logins, seconds, wrong)
        self._network = Limit("kernel.login_network", settings.max_failed_logins_per_address, seconds, wrong)
        self._code = Limit("kernel.second_factor", settings.max_failed_logins, seconds, "Too many wrong codes.")
        self._refused: dict[tuple[str, str], tuple[float, Limit, datetime]] = {}

    def recall(self, account: str, device: Device) -> None:
        """Raise again what `check` has just raised for the account and this address, or for this network, without
        asking the database.

        So a flood costs little. What an operator does in another process counts a second later.
        """
        for key in ((account, device.ip), ("", device.network)):
            found = self._refused.get(key)
            if found is not None and found[0] > time.monotonic():
                raise too_many(*found[1:])

    async def check(self, account: str, device: Device, *, known: bool) -> None:
        """Raise `TooManyRequests` if no more guesses are allowed, from there or for this account."""
        found = await self._limiter.reached((self._account, _key(account, known)), (self._network, device.network))
        if found is None:
            return
        if len(self._refused) >= _REMEMBERED:
            self._refused.clear()
        key = ("", device.network) if found[0] is self._network else (account, device.ip)
        self._refused[key] = time.monotonic() + _RECALLED_SECONDS, *found
        raise too_many(*found)

    async def wrong(
        self, account: str, device: Device, *, known: bool, within: AsyncSession | None = None
    ) -> TooManyRequests | None:
        """Count a wrong guess. What this gives is to be raised, and the guess's outcome not told: others have used up
        the guesses since this one began.

        Args:
            within: the transaction; by default one of its own.
        """
        counts = ((self._network, device.network), (self._account, _key(account, known)))
        _, (hits, until) = await self._limiter.count(*counts, within=within)
        return too_many(self._account, until) if hits > self._account.hits else None

    async def right(self, account: str, *, known: bool) -> None:
        """Forget the wrong guesses before a right one.

        Raises:
            TooManyRequests: the guesses were used up since this one began; its outcome is not told.
        """
        await self._limiter.check(self._account, _key(account, known))
        await self._limiter.forget(self._account, _key(account, known))

    async def unlock(self, account: str) -> None:
        """Forget all wrong guesses for an account."""
        self._refused.clear()
        await self._limiter.forget(self._account, *(_key(account, known) for known in (True, False)))

    async def check_code(self, user_id: UUID) -> None:
        """Raise `TooManyRequests` if no more codes may be tried."""
        await self._limiter.check(self._code, str(user_id))

    async def wrong_code(self, user_id: UUID) -> None:
        """Count a wrong code.

        Raises:
            TooManyRequests: that was one too many.
        """
        await self._limiter.hit(self._code, str(user_id))

    async def right_code(self, user_id: UUID) -> None:
        """Forget the wrong codes before a right one."""
        await self._limiter.forget(self._code, str(user_id))


def _key(account: str, known: bool) -> str:
    return f"{account}\n{'known' if known else 'unknown'}"


async def is_known(db: AsyncSession, user_id: UUID | None, device: Device) -> bool:
    """Whether the user has had a session from this address in the last month. As much work for nobody."""
    query = select(UserSession.id).where(
        col(UserSession.user_id) == (user_id or UUID(int=0)),
        col(UserSession.ip) == device.ip,
        col(UserSession.last_used_at) > utcnow() - _KNOWN_FOR,
    )
    return (await db.exec(query.limit(1))).first() is not None
