"""SQLite's statements: each in one exchange, and those that nobody waits for in none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from riveredge_kernel.db.sqlite import WRITING, WriterTurns
from riveredge_kernel.db.sqlite_driver import DRIVER, UNHEARD

ADD = text("INSERT INTO thing (id, name) VALUES (:id, :name)")
COUNT = text("SELECT count(*) FROM thing")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/x.db", pool_size=1, max_overflow=0, module=DRIVER)
    WriterTurns().attach(made)
    async with made.begin() as connection:
        await connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"))
    yield made.execution_options(**WRITING)
    await made.dispose()


async def send(connection: AsyncConnection, *rows: tuple[int, str | None]) -> None:
    values = [{"id": number, "name": name} for number, name in rows]
    given = values if len(values) > 1 else values[0]
    await connection.run_sync(lambda sync: sync.execute(ADD, given, execution_options={UNHEARD: True}))


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT name FROM thing ORDER BY id"))).scalars())


async def test_what_is_sent_is_there_for_the_next_statement(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await send(connection, (1, "one"))
        await send(connection, (2, "two"), (3, "three"))
        assert (await connection.execute(COUNT)).scalar_one() == 3
        changed = await connection.execute(text("UPDATE thing SET name = 'more' WHERE id > 1"))
        assert changed.rowcount == 2
        returned = await connection.execute(text("DELETE FROM thing WHERE id = 3 RETURNING id, name"))
        assert [dict(row) for row in returned.mappings()] == [{"id": 3, "name": "more"}]
    assert await names(engine) == ["one", "more"]


async def test_what_was_sent_and_fails_lets_nothing_be_committed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for row in ((1, "one"), (1, "again"), (2, "two")):
            await send(connection, row)
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.commit()
    assert await names(engine) == []
    async with engine.begin() as connection:
        await send(connection, (1, "one"))
    assert await names(engine) == ["one"]


async def test_the_next_statement_tells_of_the_failure(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await send(connection, (1, "one"), (2, None))
        with pytest.raises(IntegrityError, match="NOT NULL"):
            await connection.execute(COUNT)
        await connection.rollback()
        await send(connection, (3, "three"))
        await connection.commit()
    assert await names(engine) == ["three"]


async def test_errors_are_those_of_the_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="no such table"):
            await connection.execute(text("SELECT 1 FROM absent"))
