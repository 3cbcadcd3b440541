"""How connections to SQLite are set up, and how its writers wait for each other."""

import asyncio
import sqlite3
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from riveredge_kernel.db.sqlite_driver import send_unheard

# How long a writer waits for the one before it.
_BUSY_SECONDS = 10
_BEGIN = "riveredge_begin"
_HELD = "riveredge_turn"
# The execution options of a transaction that will write. SQLite lets one writer in at a time. Taking the lock at the
# start means waiting; taking it half-way means failing when somebody else wrote meanwhile.
WRITING = {_BEGIN: "BEGIN IMMEDIATE"}


class WriterTurns:
    """Lets the writers of this process in one after another, in the order they came.

    SQLite itself has them ask again and again, with growing pauses: the lock lies idle meanwhile, and who gets it is
    chance. Writers of other processes are still waited for in that way.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    def attach(self, engine: AsyncEngine) -> None:
        """Let this engine's connections be set up, and take turns with those of the others."""
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", self._on_begin)
        event.listen(engine.sync_engine, "checkin", self._on_checkin)
        send_unheard(engine.sync_engine)

    def _on_begin(self, connection: Any) -> None:
        begin = connection.get_execution_options().get(_BEGIN)

        async def take_turn(driver: Any) -> None:
            # A second transaction before the connection is given back keeps the turn of the first.
            if begin is not None and not connection.info.get(_HELD):
                await self._take()
                connection.info[_HELD] = True
            await driver.execute(begin or "BEGIN")

        # Straight to the driver: one exchange with its thread instead of three.
        connection.connection.dbapi_connection.run_async(take_turn)

    async def _take(self) -> None:
        try:
            async with asyncio.timeout(_BUSY_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            raise sqlite3.OperationalError("database is locked") from None

    def _on_checkin(self, _connection: Any, record: Any) -> None:
        if record.info.pop(_HELD, False):
            self._lock.release()


def _prepare(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by its own rules; ours are begun above.
    connection.isolation_level = None
    cursor = connection.cursor()
    busy = f"busy_timeout={_BUSY_SECONDS * 1000}"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", busy):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
