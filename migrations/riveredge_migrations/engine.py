"""A connection for migrating: one transaction that holds everything or nothing, one migrator at a time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")

# Any number will do, as long as all migrators use the same ("rivr" in ASCII).
_LOCK = 0x72697672


@asynccontextmanager
async def engine_for(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine for the time of the block."""
    made = create_async_engine(url, poolclass=NullPool)
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", _begin_sqlite)
    try:
        yield made
    finally:
        await made.dispose()


@asynccontextmanager
async def migrating(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that waits for other migrators, and in which foreign keys are checked at the end.

    Raises:
        RuntimeError: rows would be left that point at nothing (SQLite; PostgreSQL finds them itself).
    """
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield connection
        if engine.dialect.name == "sqlite":
            dangling = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
            if dangling:
                raise RuntimeError(f"the migration leaves rows in {dangling[0][0]!r} that point at nothing")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions end at each DDL statement; ours are begun below. Foreign keys are off because
    # changing a table means copying it, and dropping the old one would cascade.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=OFF", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end, whether or not this thread has a running loop."""

    async def awaited() -> T:
        return await work()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(awaited())
    outcome: list[T] = []
    errors: list[BaseException] = []

    def in_thread() -> None:
        try:
            outcome.append(asyncio.run(awaited()))
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            errors.append(error)

    thread = threading.Thread(target=in_thread, name="migrations")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
