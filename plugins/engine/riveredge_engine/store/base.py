"""What the engine demands of a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Tx(Protocol):
    """One transition: all its statements are stored, or none."""

    def run(self, sql: str, *values: Any) -> int:
        """Execute; the number of rows changed."""

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""

    def many(self, sql: str, values: Sequence[Row]) -> None:
        """Execute once for each row of values."""

    def after(self, effect: Callable[[], None]) -> None:
        """Call this once the transition is durable, and never if it is not."""


class Database(Protocol):
    """Transitions one after another, made durable in groups.

    A transition must change nothing but the database, and leave the rest to `Tx.after`.
    """

    on_reopened: Callable[[], None] | None
    """Called when the database was away and is back: what is known of it by heart may be wrong."""

    def open(self) -> None:
        """Create what is missing."""

    async def close(self) -> None:
        """Finish what was asked for, then close."""

    async def write(self, transition: Callable[[Tx], T]) -> T:
        """Run a transition; returns when it is durable. Raises what the transition raises, having stored nothing."""

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Read what is durable."""

    def compact(self, pages: int) -> None:
        """Give a bounded part of the freed space back to the file system."""
