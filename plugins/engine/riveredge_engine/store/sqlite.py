"""SQLite in WAL mode."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .base import Row
from .grouped import GroupedDatabase, Session
from .schema import SCHEMA, SCHEMA_VERSION

_LOCK_SECONDS = 2.0
_PRAGMAS = (
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = FULL",
    "cache_size = -8000",
)


class _SqliteSession:
    """See `grouped.Session`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self.connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.connection.execute(sql, values).fetchall()

    def many(self, sql: str, values: Sequence[Row]) -> None:
        self.connection.executemany(sql, values)

    def close(self) -> None:
        self.connection.close()


class SqliteDatabase(GroupedDatabase):
    """A `Database` in one file, or in memory."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._lock: IO[bytes] | None = None

    def open(self) -> None:
        self._lock = _claim(self._path)
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=256, timeout=_LOCK_SECONDS)
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            self._release()
            raise RuntimeError(f"{self._path} cannot be opened; is another engine using it? ({error})") from error
        except RuntimeError:
            connection.close()
            self._release()
            raise
        self._session = _SqliteSession(connection)

    async def close(self) -> None:
        await super().close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, SCHEMA_VERSION}:
            raise RuntimeError(f"{self._path} was written by another version of the engine (schema {version})")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def compact(self, pages: int) -> None:
        self.rows(f"PRAGMA incremental_vacuum({int(pages)})")

    def _roll_back(self, session: Session) -> None:
        if isinstance(session, _SqliteSession) and session.connection.in_transaction:
            session.run("ROLLBACK")


def _claim(path: str) -> IO[bytes] | None:
    """Hold the store for this process: a second engine finds out at once, and readers (back-ups) are let in.

    Raises:
        RuntimeError: another engine holds it.
    """
    if path.startswith("file:") or path == ":memory:":
        return None
    lock = Path(f"{path}.lock").open("wb")  # noqa: SIM115  (held until the store is closed)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise RuntimeError(f"{path} cannot be opened; is another engine using it? (it is locked)") from None
    return lock
