"""How a database is copied while it is in use, and put back: SQLite by itself, PostgreSQL by its own programs."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url

from riveredge_kernel.backup.archive import BackupError, Kind
from riveredge_migrations.engine import engine_for, run

_DEBIAN = Path("/usr/lib/postgresql")


def kind_of(url: str) -> Kind:
    """Which database an address names."""
    return "sqlite" if make_url(url).get_backend_name() == "sqlite" else "postgresql"


def sqlite_file(url: str) -> Path:
    """The file of an SQLite address."""
    return Path(make_url(url).database or "")


def copy_sqlite(source: Path, target: Path) -> None:
    """A copy as of one instant, without stopping who writes."""
    if not source.exists():
        raise BackupError(f"There is no database at {source}.")
    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def place_sqlite(source: Path, target: Path, *, aside: str) -> None:
    """Put a copy where the database is to be. One that is there is kept beside it, its name ending in `aside`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for end in ("", "-wal", "-shm"):
        old = target.with_name(target.name + end)
        if old.exists():
            old.replace(target.with_name(f"{target.name}.{aside}{end}"))
    draft = target.with_name(f".{target.name}.restoring")
    shutil.copyfile(source, draft)
    draft.chmod(0o600)
    draft.replace(target)


def dump_postgresql(url: str, owner_url: str | None, target: Path) -> None:
    """A dump as of one instant.

    Args:
        url: of a role that sees every tenant's rows.
        owner_url: of the role that owns the tables; it lets the other read the versions of the schema, too.
    """
    if owner_url is not None and owner_url != url:
        _let_read(owner_url, str(make_url(url).username))
    _run("pg_dump", make_url(url), "--format=custom", "--no-owner", f"--file={target}")


def load_postgresql(source: Path, url: str) -> None:
    """Load a dump into an empty database, whole or not at all."""
    _run("pg_restore", make_url(url), "--no-owner", "--exit-on-error", "--single-transaction", str(source))


def tables(url: str) -> list[str]:
    """The tables that are there."""

    async def look() -> list[str]:
        async with engine_for(url) as engine, engine.connect() as connection:
            return await connection.run_sync(lambda sync: inspect(sync).get_table_names())

    if kind_of(url) == "sqlite" and not sqlite_file(url).exists():
        return []
    return run(look)


def _let_read(owner_url: str, role: str) -> None:
    async def grant() -> None:
        async with engine_for(owner_url) as engine, engine.begin() as connection:
            quoted = engine.dialect.identifier_preparer.quote(role)
            await connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted}")

    run(grant)


def _run(program: str, url: URL, *arguments: str) -> None:
    with _password_file(url) as environment:
        address = [f"--host={url.host or 'localhost'}", f"--port={url.port or 5432}", f"--username={url.username}"]
        done = subprocess.run(  # noqa: S603
            [_find(program), "--no-password", *address, f"--dbname={url.database}", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return
    reason = done.stderr.strip()[-600:]
    if "row-level security" in reason:
        reason += "\nA role that sees every tenant's rows (BYPASSRLS) is needed: set RIVEREDGE_DATABASE__SYSTEM_URL."
    raise BackupError(f"{program} failed: {reason}")


@contextlib.contextmanager
def _password_file(url: URL) -> Iterator[dict[str, str]]:
    """The password where the programs look for it: everybody on the machine sees arguments and environments."""
    if url.password is None:
        yield {}
        return
    with NamedTemporaryFile("w", prefix="riveredge-", encoding="utf-8") as file:
        escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        yield {"PGPASSFILE": file.name}


def _find(program: str) -> str:
    """The newest one: an older pg_dump refuses a newer server."""
    installed = sorted(_DEBIAN.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed; Debian has it in the package postgresql-client.")
    return found
