"""SQLite's driver with one exchange a statement, and none for those that nobody waits for.

aiosqlite works in a thread, and SQLAlchemy asks it four times for each statement: for a cursor, to execute, for the
rows, to close. Each exchange costs more than most statements do, and a writer holds the only write lock meanwhile.
"""

import collections
import sqlite3
from collections.abc import Callable
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_

# An execution option: nobody looks at what the statement answers. It is done before the next one of its transaction; if
# it fails, that one fails with its error, or the commit does.
UNHEARD = "riveredge_unheard"


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Has no cursor in the driver: each statement gets one for as long as it takes."""

    __slots__ = ("_description", "_lastrowid", "_rowcount", "arraysize")

    _adapt_connection: "_Connection"

    def __init__(self, adapt_connection: Any) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows = collections.deque()
        self._description: Any = None
        self._rowcount, self._lastrowid, self.arraysize = -1, 0, 1

    @property
    def description(self) -> Any:
        return self._description

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def lastrowid(self) -> int:
        return self._lastrowid

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._exchange(lambda cursor: cursor.execute(operation, () if parameters is None else parameters))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._exchange(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _exchange(self, run: Callable[[sqlite3.Cursor], Any]) -> None:
        def work(connection: sqlite3.Connection) -> tuple[Any, list[Any], int, int | None]:
            cursor = connection.cursor()
            try:
                run(cursor)
                rows = cursor.fetchall() if cursor.description else []
                return cursor.description, rows, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        async with self._adapt_connection._execute_mutex:
            self._description, rows, self._rowcount, lastrowid = await self._adapt_connection.exchange(work)
        self._rows = collections.deque(rows)
        self._lastrowid = lastrowid or 0

    def send(self, operation: str, parameters: Any, *, many: bool) -> None:
        """Let the statement be executed, and go on at once."""
        connection = self._adapt_connection

        def work() -> None:
            if connection.failure is not None:
                return
            try:
                cursor = connection.sqlite.cursor()
                (cursor.executemany if many else cursor.execute)(operation, parameters)
                cursor.close()
            except Exception as error:  # noqa: BLE001  (whoever comes next raises it)
                connection.failure = error

        connection.send(work)

    async def _async_soft_close(self) -> None:
        """There is nothing to close."""

    def close(self) -> None:
        self._rows.clear()


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ("failure",)

    _cursor_cls = _Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        # What became of statements that nobody waited for.
        self.failure: Exception | None = None

    @property
    def sqlite(self) -> sqlite3.Connection:
        """The connection itself, for use in its thread."""
        found: sqlite3.Connection = self._connection._conn
        return found

    # aiosqlite has no public way to have more than one call made at a time; these are what its own methods use.
    async def exchange(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Have something done in the driver's thread."""

        def checked() -> Any:
            if self.failure is not None:
                raise self.failure
            return work(self.sqlite)

        return await self._connection._execute(checked)

    def send(self, work: Callable[[], None]) -> None:
        """Have something done in the driver's thread, some time before whatever comes next."""
        self._connection._tx.put_nowait((None, work))

    def commit(self) -> None:
        if self._connection._connection:
            try:
                await_(self._connection._execute(self._commit_or_roll_back))
            except Exception as error:  # noqa: BLE001  (translated there)
                self._handle_exception(error)

    def _commit_or_roll_back(self) -> None:
        # SQLAlchemy takes a transaction for ended when its commit fails, and rolls nothing back.
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                raise failure
            self.sqlite.commit()
        except BaseException:
            self.sqlite.rollback()
            raise

    def rollback(self) -> None:
        super().rollback()
        self.failure = None


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        return _Connection(self, super().connect(*arg, **kw)._connection)


DRIVER = _Driver(aiosqlite, sqlite3)


def send_unheard(engine: Engine) -> None:
    """Let the engine not wait for statements with the option `UNHEARD`."""
    event.listen(engine, "do_execute", _execute)
    event.listen(engine, "do_executemany", _executemany)


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    return _sent(cursor, statement, parameters, context, many=False)


def _executemany(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    return _sent(cursor, statement, parameters, context, many=True)


def _sent(cursor: Any, statement: str, parameters: Any, context: Any, *, many: bool) -> bool:
    unheard = context is not None and UNHEARD in context.execution_options
    if unheard:
        cursor.send(statement, parameters, many=many)
    return unheard
