"""PostgreSQL, by a synchronous driver on the loop's own thread: the server is meant to be near.

One engine at a time has the database; an advisory lock, which the server gives back when the connection ends, sees to
it. A connection that breaks is made anew. Whether its last commit had arrived is not known then, so the engine is told
to read everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg

from .base import Row
from .grouped import GroupedDatabase, Session
from .schema import SCHEMA, SCHEMA_VERSION

log = logging.getLogger(__name__)

_NAMESPACE = "riveredge_engine"
_LOCK = 0x52495645  # any number that others are unlikely to use
_LOCK_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
_CONNECT_SECONDS = 10


class _PostgresqlSession:
    """See `grouped.Session`."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._execute(sql, values).fetchall()

    def many(self, sql: str, values: Sequence[Row]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(_marked(sql), values)

    def _execute(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        try:
            return self.connection.execute(_marked(sql), values or None)
        except psycopg.DataError as error:
            raise ValueError(str(error)) from error

    def close(self) -> None:
        self.connection.close()


@lru_cache(maxsize=512)
def _marked(sql: str) -> bytes:
    """A statement of this package with the driver's marks for values; none of them has a question mark otherwise."""
    return sql.replace("?", "%s").encode()


class PostgresqlDatabase(GroupedDatabase):
    """A `Database` in a schema of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._reconnecting: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._session = self._connect()

    def _connect(self) -> _PostgresqlSession:
        """A session that has the database to itself. Raises RuntimeError."""
        try:
            connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS)
        except psycopg.Error as error:
            raise RuntimeError(f"the engine's database does not answer: {error}") from error
        session = _PostgresqlSession(connection)
        try:
            self._prepare(session)
        except psycopg.Error as error:
            session.close()
            raise RuntimeError(f"the engine's database cannot be used: {error}") from error
        except RuntimeError:
            session.close()
            raise
        return session

    def _prepare(self, session: _PostgresqlSession) -> None:
        deadline = time.monotonic() + _LOCK_SECONDS
        # The lock of an engine that was killed is free as soon as the server has seen its connection end.
        while not session.rows("SELECT pg_try_advisory_lock(?)", (_LOCK,))[0][0]:
            if time.monotonic() > deadline:
                raise RuntimeError("the database cannot be opened; another engine is using it")
            time.sleep(0.1)
        session.run(f"CREATE SCHEMA IF NOT EXISTS {_NAMESPACE}")
        session.run(f"SET search_path TO {_NAMESPACE}")
        session.run("BEGIN")
        session.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        found = session.rows("SELECT version FROM schema_version")
        if found and found[0][0] != SCHEMA_VERSION:
            raise RuntimeError(f"the database was written by another version of the engine (schema {found[0][0]})")
        session.run(SCHEMA.replace("INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY"))
        if not found:
            session.run("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
        session.run("COMMIT")

    async def close(self) -> None:
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)
        await super().close()

    def compact(self, pages: int) -> None:
        """The server does so by itself."""

    def _open_session(self) -> Session:
        session = super()._open_session()
        if isinstance(session, _PostgresqlSession) and session.connection.closed:
            if self._reconnecting is None:
                log.warning("the connection to the engine's database is lost")
                self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())
            raise ConnectionError("the engine's database does not answer")
        return session

    def rows(self, sql: str, *values: Any) -> list[Row]:
        try:
            return super().rows(sql, *values)
        finally:
            self._notice()

    def _roll_back(self, session: Session) -> None:
        with contextlib.suppress(psycopg.Error):
            session.run("ROLLBACK")
        self._notice()

    def _notice(self) -> None:
        """Begin to connect anew as soon as the connection is known to be broken, not when it is needed next."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._open_session()

    async def _reconnect(self) -> None:
        while True:
            try:
                self._session = await asyncio.to_thread(self._connect)
                break
            except RuntimeError as error:
                log.warning("%s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
        self._reconnecting = None
        log.info("connected to the engine's database again")
        if self.on_reopened is not None:
            self.on_reopened()
