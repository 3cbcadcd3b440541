"""Platforms and engines as processes of their own, which tests can kill.

With `RIVEREDGE_TEST_INNGEST_URL` (and `RIVEREDGE_TEST_INNGEST_EVENT_KEY`, `…_SIGNING_KEY`) the engine is that Inngest
server: so it shows where the embedded one differs. What would kill it, or give it other keys, is skipped then.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.commands import Command, run_command, start_command
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres

from .rows import Rows

SERVER = os.environ.get("RIVEREDGE_TEST_INNGEST_URL")
SERVER_KEYS = {
    f"RIVEREDGE_INNGEST__{name}": os.environ[f"RIVEREDGE_TEST_INNGEST_{name}"]
    for name in ("EVENT_KEY", "SIGNING_KEY")
    if f"RIVEREDGE_TEST_INNGEST_{name}" in os.environ
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(check: Callable[[], Any], *, timeout: float = 30, what: str = "it") -> Any:
    """The first true answer of `check`, which may raise meanwhile. What takes long is asked for less often."""
    begin = time.monotonic()
    deadline = begin + timeout
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = check()
        except (httpx2.HTTPError, KeyError, IndexError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(min(max(0.05, (time.monotonic() - begin) / 20), 1.0))
    raise AssertionError(f"{what} did not happen within {timeout} s; last: {last!r}")


@dataclass
class World:
    """A platform and its engine, each in a process of its own, over one directory."""

    directory: Path
    port: int = field(default_factory=free_port)
    engine_port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    database: dict[str, str] | None = None
    platform: Command | None = None
    engine: Command | None = None
    http: httpx2.Client = field(init=False)
    given: bool = bool(SERVER)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            "RIVEREDGE_VAR_DIR": str(self.directory),
            "RIVEREDGE_PORT": str(self.port),
            "RIVEREDGE_INNGEST__BASE_URL": SERVER or f"http://127.0.0.1:{self.engine_port}",
            **(SERVER_KEYS if SERVER else {}),
            # A server that outlives the test still knows the platforms of the tests before this one.
            **({"RIVEREDGE_INNGEST__APP_ID": f"riveredge-{self.port}"} if SERVER else {}),
            "RIVEREDGE_LOG_LEVEL": "warning",
            **{f"RIVEREDGE_DATABASE__{name.upper()}": value for name, value in (self.database or {}).items()},
            **self.environment,
        }
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        migrate((self.database or {}).get("owner_url") or f"sqlite+aiosqlite:///{self.directory / 'riveredge.db'}")

    def run(self, *arguments: str) -> str:
        """Run a `riveredge` command; its output."""
        done = run_command("riveredge", *arguments, env=self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_platform(self) -> None:
        """Start it, and wait until it answers."""
        self.platform = start_command("riveredge", "serve", env=self.environment)
        wait_until(lambda: self.http.get("/health/live").status_code == 200, what="the platform's start")

    def start_engine(self, *options: str) -> None:
        """Start it, and wait until it answers; a server that was given runs already."""
        if SERVER:
            if options:
                pytest.skip("the given Inngest server has its own keys")
            return
        store = str(self.directory / "engine.db")
        command = ["riveredge-engine", "serve", "--port", str(self.engine_port), "--store", store]
        self.engine = start_command(*command, "--retry-interval", "0.2", *options, env=self.environment)
        wait_until(self._answers, what="the engine's start")

    def _answers(self) -> bool:
        return httpx2.get(f"http://127.0.0.1:{self.engine_port}/health").status_code == 200

    def sign_in(self) -> httpx2.Client:
        """A client signed in as a new administrator of a new tenant."""
        self.run("tenant", "create", "acme")
        said = self.run("user", "add", "acme", "ada@acme.example", "--admin", "--generate")
        password = said.split("Password: ")[1].strip()
        client = self.http
        answer = client.post("/api/v1/auth/login", json={"email": "ada@acme.example", "password": password})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def outbox(self) -> list[tuple[str, str]]:
        """Name and state of every event."""
        import sqlite3

        with sqlite3.connect(self.directory / "riveredge.db") as connection:
            found = connection.execute("SELECT name, state FROM kernel_outbox ORDER BY id").fetchall()
        connection.close()
        return found

    def engine_away(self) -> None:
        """Say that a test needs the engine to be away for a while."""
        if SERVER:
            pytest.skip("the given Inngest server is not stopped for tests")

    @staticmethod
    def kill(process: Command | None) -> None:
        """As a power cut would."""
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Stop what still runs."""
        self.http.close()
        for process in (self.platform, self.engine):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(20)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform and an engine that are not started yet."""
    with ExitStack() as stack:
        made = World(tmp_path)
        stack.callback(made.close)
        yield made


@pytest.fixture
def any_world(tmp_path: Path, database_kind: DatabaseKind) -> Iterator[World]:
    """The same, over a database of the kind that a test marked `database` runs on."""
    with ExitStack() as stack:
        database: dict[str, str] | None = None
        if database_kind == "postgresql":
            server = find_postgres()
            assert server is not None
            made = server.create_database()
            stack.callback(server.drop_database, made.name)
            database = {"url": made.app, "owner_url": made.owner, "system_url": made.system}
        world = World(tmp_path, database=database)
        stack.callback(world.close)
        yield world


@pytest.fixture
def rows(any_world: World) -> Iterator[Rows]:
    """The database of `any_world`."""
    made = Rows(any_world)
    yield made
    made.close()


@pytest.fixture
def wait() -> Callable[..., Any]:
    """`wait(check)`: the first true answer of `check`."""
    return wait_until
