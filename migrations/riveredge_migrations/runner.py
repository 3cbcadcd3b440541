"""Runs migrations, plugin by plugin. Each plugin's are one transaction: they all happen, or none of them."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect

from riveredge_migrations.directories import MigrationDirectory, find_directories
from riveredge_migrations.engine import engine_for, migrating, run
from riveredge_migrations.naming import VERSION_PREFIX, owner_of, version_table
from riveredge_migrations.operations import APP_ROLE, SYSTEM_ROLE
from riveredge_sdk.models import METADATA

T = TypeVar("T")

KERNEL = "kernel"
_PACKAGE = Path(__file__).parent


class MigrationError(Exception):
    """A command that cannot be done as asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one plugin's migrations. `revision` is where its tables are now."""

    plugin: str
    ok: bool
    revision: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Where one plugin's tables are. `installed` is False if they are there, but its code is not.

    `ahead` is True if they are at a revision that this code does not know: it is older than the database.
    """

    plugin: str
    current: str | None
    head: str | None
    pending: tuple[str, ...] = ()
    installed: bool = True
    ahead: bool = False


class MigrationRunner:
    """Migrates one database.

    Args:
        url: of the role that owns the tables, for SQLAlchemy with an async driver.
        order: ids of the plugins to migrate, each after what it depends on. The kernel always comes first.
        directories: where their revisions lie; by default those of the installed distributions.
    """

    def __init__(
        self, url: str, *, order: Iterable[str] = (), directories: dict[str, MigrationDirectory] | None = None
    ) -> None:
        self._url = url
        self._directories = find_directories() if directories is None else directories
        wanted = [KERNEL, *(plugin for plugin in order if plugin != KERNEL)]
        self._order = [plugin for plugin in wanted if plugin in self._directories]

    def upgrade(self, *plugins: str) -> list[Result]:
        """Bring the plugins (none named: all) to their newest revision.

        A failing plugin is rolled back and the others go on, except that nothing goes on without the kernel.
        """
        return run(lambda: self.upgrade_async(*plugins))

    async def upgrade_async(self, *plugins: str) -> list[Result]:
        """`upgrade`, from a coroutine."""
        for plugin in plugins:
            self._directory(plugin)
        results: list[Result] = []
        for plugin in plugins or self._order:
            results.append(await self._change(plugin, lambda config: command.upgrade(config, "head")))
            if plugin == KERNEL and not results[-1].ok:
                break
        return results

    def downgrade(self, plugin: str, revision: str) -> Result:
        """Take a plugin back to `revision`: an id, `-1` for one step, `base` for empty."""
        self._directory(plugin)
        return run(lambda: self._change(plugin, lambda config: command.downgrade(config, revision)))

    def status(self) -> list[Status]:
        """Every plugin whose revisions or whose tables are there."""
        return self._with_connection(self._statuses)

    def heads(self) -> dict[str, str | None]:
        """The newest revision that the installed code knows of each plugin in the order; the database is not asked."""
        return {plugin: self._script(plugin).get_current_head() for plugin in self._order}

    def revisions(self) -> dict[str, frozenset[str]]:
        """Every revision that the installed code knows, by plugin."""
        return {
            plugin: frozenset(revision.revision for revision in self._script(plugin).walk_revisions())
            for plugin in self._directories
        }

    def check(self, plugin: str) -> list[str]:
        """How the plugin's tables differ from its models; empty if they are equal."""

        def compare(connection: Connection) -> list[str]:
            known = self._known(connection)

            def mine(name: str | None, kind: str, *_rest: Any) -> bool:
                return kind != "table" or owner_of(name or "", known) == plugin

            context = MigrationContext.configure(
                connection,
                opts={
                    "include_name": mine,
                    "include_object": lambda _object, name, kind, *_rest: mine(name, kind),
                    "compare_type": True,
                },
            )
            return [str(difference) for difference in compare_metadata(context, METADATA)]

        return self._with_connection(compare)

    def revision(self, plugin: str, message: str, *, autogenerate: bool = True) -> Path:
        """Write the next revision of a plugin whose models are loaded.

        Raises:
            MigrationError: the database is not at the plugin's newest revision.
        """
        script = self._script(plugin)
        number = len(list(script.walk_revisions())) + 1

        def write(connection: Connection) -> Path:
            config = self._config(plugin, connection)
            try:
                # Alembic tells of its progress on standard output.
                with contextlib.redirect_stdout(StringIO()):
                    made: Any = command.revision(config, message, autogenerate=autogenerate, rev_id=f"{number:04d}")
            except CommandError as error:
                raise MigrationError(f"{error} Run `riveredge db upgrade` first.") from None
            return Path(made.path)

        return self._with_connection(write)

    def purge(self, plugin: str) -> list[str]:
        """Drop all tables of a plugin, and forget its revision. The names of the dropped tables.

        Raises:
            MigrationError: it is the kernel.
        """
        if plugin == KERNEL:
            raise MigrationError("the kernel's tables are everybody's; drop the database instead")

        def drop(connection: Connection) -> list[str]:
            known = self._known(connection)
            tables = [t for t in inspect(connection).get_table_names() if owner_of(t, known | {plugin}) == plugin]
            cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
            for table in [*tables, version_table(plugin)]:
                connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{table}"{cascade}')
            return tables

        return self._with_connection(drop)

    # -- one plugin ---------------------------------------------------------------------------------------------

    def _directory(self, plugin: str) -> MigrationDirectory:
        found = self._directories.get(plugin)
        if found is None:
            raise MigrationError(
                f"no installed plugin {plugin!r} has migrations; there are: {', '.join(sorted(self._directories))}"
            )
        return found

    def _config(self, plugin: str, connection: Connection | None) -> Config:
        config = Config(stdout=StringIO())
        config.set_main_option("script_location", str(_PACKAGE).replace("%", "%%"))
        config.set_main_option("version_locations", str(self._directory(plugin).path).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        known = set(self._directories) if connection is None else self._known(connection)
        config.attributes.update(connection=connection, plugin=plugin, plugins=sorted(known))
        return config

    def _script(self, plugin: str) -> ScriptDirectory:
        return ScriptDirectory.from_config(self._config(plugin, None))

    async def _change(self, plugin: str, change: Callable[[Config], None]) -> Result:
        def apply(connection: Connection) -> str | None:
            change(self._config(plugin, connection))
            _show_version(connection, plugin)
            return _current(connection, plugin)

        try:
            async with engine_for(self._url) as engine, migrating(engine) as connection:
                revision = await connection.run_sync(apply)
        except Exception as error:  # noqa: BLE001  (a plugin's migration may fail in any way; the others must go on)
            return Result(plugin, ok=False, error=f"{type(error).__name__}: {error}")
        return Result(plugin, ok=True, revision=revision)

    # -- the database -------------------------------------------------------------------------------------------

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        async def connected() -> T:
            async with engine_for(self._url) as engine, migrating(engine) as connection:
                return await connection.run_sync(work)

        return run(connected)

    def _known(self, connection: Connection) -> set[str]:
        """Every plugin that is installed or has left tables here."""
        tables = inspect(connection).get_table_names()
        return set(self._directories) | {t.removeprefix(VERSION_PREFIX) for t in tables if t.startswith(VERSION_PREFIX)}

    def _statuses(self, connection: Connection) -> list[Status]:
        known = self._known(connection)
        rest: Sequence[str] = sorted(known - set(self._order))
        return [self._status(connection, plugin) for plugin in [*self._order, *rest]]

    def _status(self, connection: Connection, plugin: str) -> Status:
        current = _current(connection, plugin)
        if plugin not in self._directories:
            return Status(plugin, current, None, installed=False)
        script = self._script(plugin)
        head = script.get_current_head()
        if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
            return Status(plugin, current, head, ahead=True)
        pending = [r.revision for r in script.iterate_revisions(head, current or "base")] if head != current else []
        return Status(plugin, current, head, tuple(reversed(pending)))


def _show_version(connection: Connection, plugin: str) -> None:
    """Let the serving roles see the revision, so that serving processes need no password of the tables' owner."""
    if connection.dialect.name != "postgresql":
        return
    for role in (APP_ROLE, SYSTEM_ROLE):
        known = connection.exec_driver_sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'")  # noqa: S608
        if known.first() is not None:
            connection.exec_driver_sql(f'GRANT SELECT ON "{version_table(plugin)}" TO {role}')


def _current(connection: Connection, plugin: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": version_table(plugin)})
    return context.get_current_revision()


__all__ = ["KERNEL", "MigrationError", "MigrationRunner", "Result", "Status"]
