"""Migrated databases with two tenants, and sessions on them, for the tests of the tenancy walls."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_example.models import Note, Tag
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.models import Tenant
from riveredge_migrations.runner import MigrationRunner
from riveredge_sdk import uuid7
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres

Serve = Callable[..., AbstractAsyncContextManager[AsyncSession]]

# Nothing in these tests needs a runtime: sessions are opened on the database itself.
NO_RUNTIME: Any = SimpleNamespace(now=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Owned:
    """A tenant, and the one note and tag it begins with."""

    tenant: UUID
    note: UUID
    tag: UUID


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[DatabaseKind], dict[str, str]]:
    """The addresses of a migrated database of each kind; one lasts for the whole session."""
    made: dict[DatabaseKind, dict[str, str]] = {}

    def get(kind: DatabaseKind) -> dict[str, str]:
        if kind not in made:
            made[kind] = addresses(kind)
            results = MigrationRunner(made[kind]["owner_url"], order=["example"]).upgrade()
            assert [(r.plugin, r.error) for r in results] == [("kernel", ""), ("example", "")]
        return made[kind]

    def addresses(kind: DatabaseKind) -> dict[str, str]:
        if kind == "sqlite":
            url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('wall')}/wall.db"
            return {"url": url, "owner_url": url, "system_url": url}
        server = find_postgres()
        assert server is not None
        database = server.create_database()
        return {"url": database.app, "owner_url": database.owner, "system_url": database.system}

    return get


@pytest.fixture
def addresses(_migrated: Callable[[DatabaseKind], dict[str, str]], database_kind: DatabaseKind) -> dict[str, str]:
    """`url`, `owner_url` and `system_url` of this test's database."""
    return _migrated(database_kind)


@pytest.fixture
async def database(addresses: dict[str, str]) -> AsyncIterator[Database]:
    """The kernel's database, as the platform opens it."""
    made = Database(Settings.model_validate({"database": addresses}))
    yield made
    await made.dispose()


@pytest.fixture
async def relations(addresses: dict[str, str]) -> None:
    """Tables of the models that a test made itself, readable and writable for all roles."""
    from riveredge_sdk.models import METADATA

    engine = create_async_engine(addresses["owner_url"])
    tables = [table for name, table in METADATA.tables.items() if name.startswith("walltest_")]
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: METADATA.create_all(sync, tables=tables))
        if engine.dialect.name == "postgresql":
            # Without row-level security: what these tests see is the first wall's work alone.
            for table in tables:
                await connection.exec_driver_sql(f"GRANT ALL ON {table.name} TO PUBLIC")
    await engine.dispose()


@pytest.fixture
def serve(database: Database) -> Serve:
    """`serve(tenant_id, read_only=False)`: a unit of work in which this tenant, or none, is served."""

    async def before_commit(*_: object) -> None:
        return None

    @asynccontextmanager
    async def opened(tenant_id: UUID | None, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        with use_context(Context(runtime=NO_RUNTIME, tenant_id=tenant_id)):
            unit = database.unit_of_work(before_commit=before_commit, after_commit=lambda _: None, read_only=read_only)
            async with unit as transaction:
                yield transaction.session

    return opened


async def _populate(database: Database, word: str) -> Owned:
    owned = Owned(tenant=uuid7(), note=uuid7(), tag=uuid7())
    async with database.system("test", NO_RUNTIME) as session:
        session.add(Tenant(id=owned.tenant, slug=f"{word}-{secrets.token_hex(6)}", name=word))
        await session.flush()
        session.add(Note(id=owned.note, tenant_id=owned.tenant, title=word))
        await session.flush()
        session.add(Tag(id=owned.tag, tenant_id=owned.tenant, note_id=owned.note, word=word))
    return owned


@pytest.fixture
async def ours(database: Database) -> Owned:
    """The tenant being served. Its note and tag are called `ours`."""
    return await _populate(database, "ours")


@pytest.fixture
async def theirs(database: Database) -> Owned:
    """The tenant to be kept from. Its note and tag are called `theirs`."""
    return await _populate(database, "theirs")


@pytest.fixture
def untouched(database: Database, theirs: Owned) -> Callable[[], AbstractAsyncContextManager[None]]:
    """A block after which the other tenant must have what it had, and nothing more."""

    async def rows() -> list[tuple[Any, ...]]:
        async with database.system("test", NO_RUNTIME, read_only=True) as session:
            from sqlmodel import col, select

            notes = (await session.exec(select(Note).where(col(Note.tenant_id) == theirs.tenant))).all()
            tags = (await session.exec(select(Tag).where(col(Tag.tenant_id) == theirs.tenant))).all()
            return [tuple(row.model_dump().items()) for row in (*notes, *tags)]

    @asynccontextmanager
    async def block() -> AsyncIterator[None]:
        before = await rows()
        yield
        assert await rows() == before

    return block
