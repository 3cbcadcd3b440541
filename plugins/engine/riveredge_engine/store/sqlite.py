"""SQLite in WAL mode on the event loop's own thread.

All transitions that became ready in one turn of the loop share one commit, so the cost of a durable write falls as the
load grows. There is no second thread: the interpreter's lock would make it wait for the loop at every statement.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from .base import Row
from .base import Tx as TxProtocol
from .schema import SCHEMA, SCHEMA_VERSION

T = TypeVar("T")
_GROUP_SECONDS = 0.02
_LOCK_SECONDS = 2.0
_PRAGMAS = (
    "auto_vacuum = INCREMENTAL",
    # Held from the first access on, so that a second engine on the same file finds out at once.
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = FULL",
    "cache_size = -8000",
)


class Tx:
    """The open transaction of one group; see `base.Tx`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.effects: list[Callable[[], None]] = []

    def run(self, sql: str, *values: Any) -> int:
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, values: Sequence[Row]) -> None:
        self._connection.executemany(sql, values)

    def after(self, effect: Callable[[], None]) -> None:
        self.effects.append(effect)


class SqliteDatabase:
    """A `Database` in one file, or in memory."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._waiting: deque[tuple[Callable[[TxProtocol], Any], asyncio.Future[Any]]] = deque()
        self._scheduled = False

    def open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=256, timeout=_LOCK_SECONDS)
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise RuntimeError(f"{self._path} cannot be opened; is another engine using it? ({error})") from error
        except RuntimeError:
            connection.close()
            raise
        self._connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, SCHEMA_VERSION}:
            raise RuntimeError(f"{self._path} was written by another version of the engine (schema {version})")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    async def close(self) -> None:
        while self._waiting:
            self._commit_group()
            await asyncio.sleep(0)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def write(self, transition: Callable[[TxProtocol], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((transition, done))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._commit_group)
        return cast("T", await done)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._open_connection().execute(sql, values).fetchall()

    def compact(self, pages: int) -> None:
        self._open_connection().execute(f"PRAGMA incremental_vacuum({int(pages)})").fetchall()

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the store is closed")
        return self._connection

    def _commit_group(self) -> None:
        """Run waiting transitions until the group is old enough, commit, and answer all of them."""
        self._scheduled = False
        answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        effects: list[Callable[[], None]] = []
        deadline = time.monotonic() + _GROUP_SECONDS
        taken: list[asyncio.Future[Any]] = []
        try:
            connection = self._open_connection()
            connection.execute("BEGIN IMMEDIATE")
            while self._waiting and time.monotonic() < deadline:
                transition, done = self._waiting.popleft()
                taken.append(done)
                answers.append((done, *self._attempt(connection, transition, effects)))
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever broke the commit is the answer to every transition in it
            self._fail(taken, error)
            return
        finally:
            self._schedule_rest()
        for effect in effects:
            effect()
        for done, result, failure in answers:
            if done.done():
                continue
            if failure is None:
                done.set_result(result)
            else:
                done.set_exception(failure)

    @staticmethod
    def _attempt(
        connection: sqlite3.Connection, transition: Callable[[TxProtocol], Any], effects: list[Callable[[], None]]
    ) -> tuple[Any, BaseException | None]:
        tx = Tx(connection)
        connection.execute("SAVEPOINT transition")
        try:
            result = transition(tx)
        except Exception as error:  # noqa: BLE001 - handed to the one who asked for the transition
            connection.execute("ROLLBACK TO transition")
            connection.execute("RELEASE transition")
            return None, error
        connection.execute("RELEASE transition")
        effects.extend(tx.effects)
        return result, None

    def _fail(self, taken: list[asyncio.Future[Any]], error: Exception) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if not taken and self._waiting:
            taken.append(self._waiting.popleft()[1])
        for done in taken:
            if not done.done():
                done.set_exception(error)

    def _schedule_rest(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._commit_group)
