"""Empty databases, and plugins that exist only as directories of revisions."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from riveredge_migrations.directories import MigrationDirectory, find_directories
from riveredge_migrations.engine import engine_for, run
from riveredge_migrations.runner import MigrationRunner
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres

_REVISION = '''"""{name}."""

import sqlalchemy as sa
from alembic import op
from riveredge_migrations.operations import secure

revision = "{revision}"
down_revision = {down!r}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines()) or "    pass"


@pytest.fixture
def url(database_kind: DatabaseKind, tmp_path: Path) -> Iterator[str]:
    """The owner's address of an empty database."""
    if database_kind == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    server = find_postgres()
    assert server is not None
    database = server.create_database()
    yield database.owner
    server.drop_database(database.name)


@pytest.fixture
def query(url: str) -> Callable[[str], list[Any]]:
    """Run SQL as the owner; the rows."""

    def ask(sql: str) -> list[Any]:
        async def connected() -> list[Any]:
            async with engine_for(url) as engine, engine.begin() as connection:
                result = await connection.execute(text(sql))
                return [tuple(row) for row in result.all()] if result.returns_rows else []

        return run(connected)

    return ask


@pytest.fixture
def revise(tmp_path: Path) -> Callable[..., MigrationDirectory]:
    """`revise("crm", upgrade=…, downgrade=…)`: write the next revision of an imaginary plugin."""

    def write(plugin: str, *, upgrade: str, downgrade: str = "") -> MigrationDirectory:
        directory = tmp_path / f"versions_{plugin}"
        directory.mkdir(exist_ok=True)
        count = len(list(directory.glob("*.py")))
        number, before = f"{count + 1:04d}", f"{count:04d}" if count else None
        source = _REVISION.format(
            name=plugin, revision=number, down=before, upgrade=_indented(upgrade), downgrade=_indented(downgrade)
        )
        (directory / f"{number}_step.py").write_text(source, encoding="utf-8")
        return MigrationDirectory(plugin, directory)

    return write


@pytest.fixture
def runner(url: str) -> Callable[..., MigrationRunner]:
    """`runner(crm, order=["crm"])`: over the installed plugins and these directories."""

    def make(*more: MigrationDirectory, order: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> MigrationRunner:
        found = {name: place for name, place in find_directories().items() if name not in without}
        return MigrationRunner(url, order=order, directories={**found, **{d.plugin: d for d in more}})

    return make
