"""The platform's clock: the database's, so that nodes whose own clocks differ agree on what is due."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, func
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession


def _not_moved() -> timedelta:
    return timedelta(0)


# So long the database's time is extrapolated.
_MEASURED_FOR = 10.0


@dataclass(slots=True)
class Clock:
    """Tells the time. `offset` is how far a test has moved it ahead of real time."""

    offset: Callable[[], timedelta] = _not_moved
    _measured: tuple[float, datetime] | None = field(default=None, init=False)

    def now(self) -> datetime:
        """The present by this node's clock: for what is written down, not for deciding what is due."""
        # First how far it was moved: where time stands still that is reckoned from the present, which must not be later
        # than the one it is added to.
        offset = self.offset()
        return datetime.now(UTC) + offset

    async def database_now(self, session: AsyncSession) -> datetime:
        """The present by the database's clock. SQLite has none but this machine's."""
        if session.get_bind().dialect.name == "sqlite":
            return self.now()
        return await self._measure(session) + self.offset()

    async def present(self, session: AsyncSession) -> datetime:
        """`database_now`, asked for every ten seconds and reckoned in between: behind by a round trip at most."""
        if session.get_bind().dialect.name == "sqlite":
            return self.now()
        passed = time.monotonic() - self._measured[0] if self._measured is not None else _MEASURED_FOR
        if self._measured is None or passed >= _MEASURED_FOR:
            return await self._measure(session) + self.offset()
        return self._measured[1] + timedelta(seconds=passed) + self.offset()

    async def _measure(self, session: AsyncSession) -> datetime:
        asked: datetime = (await session.exec(select(func.clock_timestamp(type_=DateTime(timezone=True))))).one()
        measured = asked.astimezone(UTC)
        self._measured = (time.monotonic(), measured)
        return measured


@dataclass(frozen=True, slots=True)
class Pace:
    """Whose time it is and how often the tick happens. Tests move the time, and let the tick happen when they do.

    `cron` is when the tick happens by itself (None: only when asked for), `watch_seconds` how often each process looks
    whether it does (None: never).
    """

    offset: Callable[[], timedelta] = _not_moved
    cron: str | None = "* * * * *"
    watch_seconds: float | None = 15.0
