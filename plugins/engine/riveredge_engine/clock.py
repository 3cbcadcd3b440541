"""The engine's clock: real time, or real time that tests can move."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the engine takes its time from; all instants are milliseconds since the Unix epoch."""

    def now_ms(self) -> int:
        """The engine's present."""

    def from_wall_ms(self, wall_ms: int) -> int:
        """Translate an instant that a worker computed from its own wall clock into engine time."""


class RealClock:
    """The operating system's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def from_wall_ms(self, wall_ms: int) -> int:
        return wall_ms


class MovableClock:
    """Real time plus an offset that `Engine.advance` moves.

    The functions under test go on living in real time. An instant they compute (`step.sleep` sends "real now plus three
    days") is therefore shifted by the offset, so that it lies three days ahead in engine time too. The `ts` of an event
    is not shifted: who sets it to more than the real present means engine time.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._offset_ms = 0 if start is None else int(start.timestamp() * 1000) - self._wall_ms()
        self._frozen_ms: int | None = None
        self.on_move: Callable[[], None] | None = None

    def now_ms(self) -> int:
        return self._wall_ms() + self._offset_ms if self._frozen_ms is None else self._frozen_ms

    def from_wall_ms(self, wall_ms: int) -> int:
        return wall_ms + self.now_ms() - self._wall_ms()

    def now(self) -> datetime:
        """The engine's present as an aware datetime."""
        return datetime.fromtimestamp(self.now_ms() / 1000, UTC)

    @property
    def offset(self) -> timedelta:
        """How far the engine's time is ahead of real time."""
        return timedelta(milliseconds=self.now_ms() - self._wall_ms())

    def freeze_at(self, instant_ms: int) -> None:
        """Stand still at an instant, so that work done while time is being moved takes no engine time."""
        self._frozen_ms = instant_ms
        self._moved()

    def resume(self) -> None:
        """Flow on from the instant the clock was frozen at."""
        if self._frozen_ms is not None:
            self._offset_ms = self._frozen_ms - self._wall_ms()
            self._frozen_ms = None
            self._moved()

    def _moved(self) -> None:
        if self.on_move is not None:
            self.on_move()

    @staticmethod
    def _wall_ms() -> int:
        return time.time_ns() // 1_000_000


class ManualClock(MovableClock):
    """A clock that stands still except while `Engine.advance` moves it: not even a retry happens on its own."""

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__(start)
        self._frozen_ms = self.now_ms() if start is None else int(start.timestamp() * 1000)

    def resume(self) -> None:
        """Stay where the clock is."""


def iso(instant_ms: int) -> str:
    """An instant as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant_ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """ISO 8601 (with `Z` or an offset; without one it is UTC) to milliseconds. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return delta // timedelta(milliseconds=1)
