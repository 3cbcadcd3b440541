"""A real PostgreSQL for tests: the one that RIVEREDGE_TEST_DATABASE_URL names, else Debian's binaries in a directory.

Databases are made with the three roles of a production installation, so that row-level security is really in force.
"""

import asyncio
import atexit
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

T = TypeVar("T")

# Not on everybody's PATH.
_RUNUSER = shutil.which("runuser") or "/usr/sbin/runuser"

ROLES = {
    "riveredge_owner": "LOGIN PASSWORD 'owner'",
    "riveredge_app": "LOGIN PASSWORD 'app'",
    "riveredge_system": "LOGIN PASSWORD 'system' BYPASSRLS",
}


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """A database and its three addresses, for SQLAlchemy with asyncpg."""

    __test__ = False

    name: str
    owner: str
    app: str
    system: str


@dataclass(slots=True)
class PostgresServer:
    """A server on which this process may create databases. `address` is a superuser's."""

    address: str
    _prepared: bool = False

    def create_database(self, template: str | None = None) -> TestDatabase:
        """A new database, empty or a copy of `template` (which must have no open connections)."""
        name = f"riveredge_test_{uuid4().hex[:12]}"

        async def create(connection: Any) -> None:
            if not self._prepared:
                for role, options in ROLES.items():
                    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                        await connection.execute(f"CREATE ROLE {role} {options}")
            source = f' TEMPLATE "{template}"' if template else ""
            await connection.execute(f'CREATE DATABASE "{name}" OWNER riveredge_owner{source}')

        self._do(create)
        self._prepared = True
        return TestDatabase(
            name,
            self._url("riveredge_owner", name),
            self._url("riveredge_app", name),
            self._url("riveredge_system", name),
        )

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""

        async def drop(connection: Any) -> None:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

        self._do(drop)

    def _url(self, role: str, database: str) -> str:
        parts = urlsplit(self.address)
        password = role.removeprefix("riveredge_")
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(("postgresql+asyncpg", f"{role}:{password}@{place}", f"/{database}", "", ""))

    def _do(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        import asyncpg

        async def connected() -> T:
            connection = await asyncpg.connect(self.address)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return in_thread(connected)


def in_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end in a loop of its own, whether or not this thread has one running."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001  (handed to the caller below)
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@functools.cache
def find_postgres() -> PostgresServer | None:
    """A server, started if need be and stopped when Python exits; None where there is none."""
    named = os.environ.get("RIVEREDGE_TEST_DATABASE_URL")
    if named:
        return PostgresServer(named.replace("postgresql+asyncpg", "postgresql"))
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    binaries = found[-1].parent if found else Path(on_path).parent if on_path else None
    return _start(binaries) if binaries else None


def _start(binaries: Path) -> PostgresServer:
    directory = Path(tempfile.mkdtemp(prefix="riveredge-pg-"))
    # PostgreSQL refuses to run as root.
    prefix = [_RUNUSER, "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if prefix:
        shutil.chown(directory, "postgres")
    data = directory / "data"

    def run(*command: str) -> None:
        subprocess.run([*prefix, *command], check=True, capture_output=True, cwd="/")  # noqa: S603

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    # Durability costs time that a throw-away server need not spend.
    options = f"-p {port} -k {directory} -h 127.0.0.1 -c fsync=off -c max_connections=200"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-l", str(directory / "log"), "-w", "-o", options, "start")

    def stop() -> None:
        run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(stop)
    return PostgresServer(f"postgresql://postgres@127.0.0.1:{port}/postgres")


__all__ = ["PostgresServer", "TestDatabase", "find_postgres", "in_thread"]
