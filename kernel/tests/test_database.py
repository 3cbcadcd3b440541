"""Connections that the database has closed are noticed, and so is a database that has too much to do."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from riveredge_kernel.db import database, sqlite
from riveredge_kernel.db.database import Database, UnsafeRoleError
from riveredge_kernel.settings import DatabaseSettings, Settings
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind
from riveredge_sdk.testing.postgres import PostgresServer, find_postgres


@pytest.fixture
def postgres(database_kind: DatabaseKind) -> PostgresServer:
    """The server; the test is about PostgreSQL only."""
    server = find_postgres()
    if database_kind == "sqlite" or server is None:
        pytest.skip("about connections to a server")
    return server


@pytest.mark.database
async def test_a_connection_that_died_while_idle_is_replaced(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = postgres.create_database()
    opened = Database(Settings(var_dir=tmp_path, database=DatabaseSettings(url=made.app, system_url=made.system)))
    await opened.ping()
    monkeypatch.setattr(database, "_IDLE_SECONDS", 0.0)
    admin = await asyncpg.connect(postgres.address)
    killed = await admin.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'riveredge_app'",
        made.name,
    )
    await admin.close()
    assert len(killed) == 1
    await asyncio.sleep(0.1)
    await opened.ping()
    await opened.dispose()
    postgres.drop_database(made.name)


@pytest.mark.database
async def test_production_refuses_a_role_that_sees_past_tenants(postgres: PostgresServer, tmp_path: Path) -> None:
    made = postgres.create_database()
    for url in (made.system, postgres.address.replace("postgresql://", "postgresql+asyncpg://")):
        settings = Settings(var_dir=tmp_path, environment="production", database=DatabaseSettings(url=url))
        opened = Database(settings)
        with pytest.raises(UnsafeRoleError):
            await opened.check_role()
        await opened.dispose()
    postgres.drop_database(made.name)


@pytest.mark.database("sqlite")
def test_who_gets_no_turn_to_write_is_asked_to_come_back(
    platform: ThreadedPlatform, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    held, enough = threading.Event(), asyncio.Event()

    async def hold() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            await session.connection()
            held.set()
            await enough.wait()

    async def release() -> None:
        enough.set()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(lambda: platform.run(hold()))
        assert held.wait(10)
        answer = client.post("/api/v1/example/notes", json={"title": "Later"})
        platform.run(release())
        holding.result(10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["type"].endswith("unavailable")
    assert client.post("/api/v1/example/notes", json={"title": "Now"}).status_code == 201
