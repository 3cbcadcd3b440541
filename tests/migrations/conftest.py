"""Empty databases of each kind, and plugins that consist of migrations alone."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from riveredge_migrations.directories import MigrationDirectory
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres, in_thread


@pytest.fixture
def url(database_kind: DatabaseKind, tmp_path: Path) -> str:
    """The owner's address of an empty database."""
    if database_kind == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/test.db"
    server = find_postgres()
    assert server is not None
    return server.create_database().owner


@pytest.fixture
def query(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the database itself, past everything of ours."""

    def ask(statement: str) -> list[tuple[Any, ...]]:
        if url.startswith("sqlite"):
            connection = sqlite3.connect(url.partition("///")[2])
            try:
                return connection.execute(statement).fetchall()
            finally:
                connection.close()

        async def fetch() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""))
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return in_thread(fetch)

    return ask


@pytest.fixture
def tables(query: Callable[[str], list[tuple[Any, ...]]], database_kind: DatabaseKind) -> Callable[[str], set[str]]:
    """The tables whose names begin with a prefix."""

    def named(prefix: str) -> set[str]:
        source = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if database_kind == "sqlite"
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return {name for (name,) in query(source) if name.startswith(prefix)}

    return named


@pytest.fixture
def revisions(tmp_path: Path) -> Callable[..., MigrationDirectory]:
    """`revisions("plugin", "CREATE TABLE …", …)`: a plugin whose migrations run these statements, one each."""

    def write(plugin: str, *statements: str) -> MigrationDirectory:
        directory = tmp_path / plugin
        directory.mkdir(exist_ok=True)
        before = None
        for number, statement in enumerate(statements, 1):
            revision = f"{number:04d}"
            (directory / f"{revision}_step.py").write_text(
                f"from alembic import op\nrevision = {revision!r}\ndown_revision = {before!r}\n"
                f"def upgrade():\n    for one in {statement!r}.split(';'):\n        op.execute(one)\n"
                f"def downgrade():\n    op.execute('DROP TABLE {plugin}_{number}')\n"
            )
            before = revision
        return MigrationDirectory(plugin, directory)

    return write
