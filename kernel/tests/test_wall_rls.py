"""The second wall: PostgreSQL alone keeps tenants apart, whatever the code does."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from sqlmodel import select

from riveredge_example.models import Note
from riveredge_kernel.db.database import Database, UnsafeRoleError
from riveredge_kernel.settings import Settings
from riveredge_sdk import uuid7
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.tenancy import TenantWallError
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres


def plain(url: str) -> str:
    """The address without SQLAlchemy's driver."""
    return url.replace("+asyncpg", "")


@pytest.fixture
def addresses(_migrated: Callable[[DatabaseKind], dict[str, str]]) -> dict[str, str]:
    """PostgreSQL only: SQLite has no second wall."""
    if find_postgres() is None:
        pytest.skip("no PostgreSQL here: set RIVEREDGE_TEST_DATABASE_URL or install Debian's postgresql")
    return _migrated("postgresql")


@pytest.fixture
async def connection(addresses: dict[str, str]) -> AsyncIterator[Any]:
    """A bare connection of the serving role."""
    made = await asyncpg.connect(plain(addresses["url"]))
    yield made
    await made.close()


async def serve_as(connection: Any, tenant: UUID | str) -> None:
    """Say which tenant is served, as the kernel does, but for the whole connection."""
    await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant))


INSERT = (
    "INSERT INTO example_note (id, created_at, updated_at, version, tenant_id, title, text, reminders)"
    " VALUES ($1, now(), now(), 1, $2, 'x', '', 0)"
)
INSERT_TAG = (
    "INSERT INTO example_tag (id, created_at, updated_at, version, tenant_id, note_id, word)"
    " VALUES ($1, now(), now(), 1, $2, $3, 'x')"
)


@pytest.mark.parametrize("table", ["example_note", "example_tag"])
async def test_without_a_tenant_nothing_is_seen(table: str, connection: Any, ours: Any) -> None:
    assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    await serve_as(connection, "")
    assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_only_the_tenants_rows_are_seen(connection: Any, ours: Any, theirs: Any) -> None:
    for owner in (ours, theirs):
        await serve_as(connection, owner.tenant)
        assert [row["id"] for row in await connection.fetch("SELECT id FROM example_note")] == [owner.note]
        assert [row["id"] for row in await connection.fetch("SELECT id FROM example_tag")] == [owner.tag]


async def test_foreign_rows_are_neither_changed_nor_deleted(
    connection: Any, ours: Any, theirs: Any, untouched: Callable[[], Any]
) -> None:
    await serve_as(connection, ours.tenant)
    async with untouched():
        assert await connection.execute("UPDATE example_note SET title = 'x'") == "UPDATE 1"
        assert await connection.execute("DELETE FROM example_tag") == "DELETE 1"
        assert await connection.execute("DELETE FROM example_note WHERE id = $1", theirs.note) == "DELETE 0"


async def test_foreign_rows_are_neither_written_nor_given_away(
    connection: Any, ours: Any, theirs: Any, untouched: Callable[[], Any]
) -> None:
    async with untouched():
        for tenant in ("", ours.tenant):
            await serve_as(connection, tenant)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(INSERT, uuid7(), theirs.tenant)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE example_note SET tenant_id = $1", theirs.tenant)
    await connection.execute(INSERT, uuid7(), ours.tenant)


async def test_no_key_points_at_another_tenants_row(connection: Any, ours: Any, theirs: Any) -> None:
    # PostgreSQL checks keys past row-level security; only their holding the tenant keeps them inside.
    await serve_as(connection, ours.tenant)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute(INSERT_TAG, uuid7(), ours.tenant, theirs.note)
    await connection.execute(INSERT_TAG, uuid7(), ours.tenant, ours.note)


async def test_the_owner_is_bound_as_well(addresses: dict[str, str], ours: Any) -> None:
    connection = await asyncpg.connect(plain(addresses["owner_url"]))
    try:
        assert await connection.fetchval("SELECT count(*) FROM example_note") == 0
    finally:
        await connection.close()


async def test_the_serving_role_cannot_lower_the_wall(connection: Any) -> None:
    for statement in (
        "ALTER TABLE example_note DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON example_note",
        "SET ROLE riveredge_system",
        "SET ROLE riveredge_owner",
        "TRUNCATE example_note",
        "DROP TABLE example_note",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_the_setting_ends_with_the_transaction(addresses: dict[str, str], serve: Any, ours: Any) -> None:
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(Note.id))).all() == [ours.note]
        raw = (await (await session.connection()).get_raw_connection()).driver_connection
        assert await raw.fetchval("SELECT current_setting('app.tenant_id', true)") == str(ours.tenant)
    assert not await raw.fetchval("SELECT current_setting('app.tenant_id', true)")


async def test_every_table_with_a_tenant_is_secured(addresses: dict[str, str]) -> None:
    connection = await asyncpg.connect(plain(addresses["owner_url"]))
    try:
        rows = await connection.fetch(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,"
            " (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL"
            "  AND p.polwithcheck IS NOT NULL) AS policies"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE c.relkind = 'r' AND c.relname NOT LIKE 'walltest%'"
        )
    finally:
        await connection.close()
    secured = {row["relname"] for row in rows if row["forced"] and row["policies"] == 1}
    assert {"example_note", "example_tag", "kernel_membership", "kernel_role"} <= secured
    assert {row["relname"] for row in rows} - secured == set()


@pytest.mark.parametrize("role", ["system_url", "superuser"])
async def test_a_role_that_sees_past_tenants_is_refused_in_production(role: str, addresses: dict[str, str]) -> None:
    server = find_postgres()
    assert server is not None
    name = addresses["url"].rpartition("/")[2]
    superuser = server.address.rpartition("/")[0].replace("postgresql://", "postgresql+asyncpg://") + f"/{name}"
    url = superuser if role == "superuser" else addresses[role]
    for environment in ("production", "development"):
        database = Database(Settings.model_validate({"environment": environment, "database": {"url": url}}))
        try:
            if environment == "production":
                with pytest.raises(UnsafeRoleError, match="not bound by row-level security"):
                    await database.check_role()
            else:
                await database.check_role()
        finally:
            await database.dispose()


async def test_the_serving_role_is_accepted_in_production(addresses: dict[str, str]) -> None:
    database = Database(Settings.model_validate({"environment": "production", "database": addresses}))
    await database.check_role()
    await database.dispose()


async def test_a_replica_serves_read_sessions_within_the_walls(
    addresses: dict[str, str], ours: Any, theirs: Any, tmp_path: Path
) -> None:
    # The address for writing has no tables at all: what is read, the replica has answered.
    urls = {"url": f"sqlite+aiosqlite:///{tmp_path}/empty.db", "read_url": addresses["url"]}
    reading = Database(Settings.model_validate({"database": urls}))
    with use_context(
        Context(runtime=cast("Any", SimpleNamespace(now=lambda: datetime.now(UTC))), tenant_id=ours.tenant)
    ):
        async with reading.read_session() as session:
            assert [note.id for note in (await session.exec(select(Note))).all()] == [ours.note]
            session.add(Note(title="Never"))
            with pytest.raises(TenantWallError, match="reading only"):
                await session.flush()
    await reading.dispose()
    # Its role is looked at as well.
    careless = {**addresses, "read_url": addresses["system_url"]}
    wrong = Database(Settings.model_validate({"environment": "production", "database": careless}))
    with pytest.raises(UnsafeRoleError):
        await wrong.check_role()
    await wrong.dispose()
