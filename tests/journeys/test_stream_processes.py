"""The live stream over two processes on one database: what happens in one is told in the other, whatever breaks."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.commands import run_command, start_command
from riveredge_sdk.testing.platform import DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres, in_thread

MEMBER = "ada@acme.example"
PASSWORD = "correct horse battery staple"
NOTES = "/api/v1/example/notes"


class Node:
    """A `riveredge serve`; there is no Inngest, and none is needed."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        with log.open("wb") as file:
            self.process = start_command(
                "riveredge", "serve", env={**environment, "RIVEREDGE_PORT": str(self.port)}, stdout=file, stderr=file
            )
        self._log = log

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.http.get("/health/live").status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def follow(self, topic: str, since: int | None = None) -> ClientConnection:
        """A connection that follows the topic."""
        ticket = self.http.post("/api/v1/stream/tickets").json()["ticket"]
        address = f"ws://127.0.0.1:{self.port}/api/v1/stream?ticket={ticket}"
        made = self._stack.enter_context(connect(address, proxy=None))
        made.send(json.dumps({"type": "subscribe", "topic": topic, "since": since}))
        assert [json.loads(made.recv(30))["type"] for _ in range(2)] == ["hello", "subscribed"]
        return made

    def write(self, *, patient: bool = False) -> str:
        """A new note's id. The pools notice one after another that their connections are gone: `patient` asks again."""
        answer = self.http.post(NOTES, json={"title": "Milk"})
        while patient and answer.status_code == 503:
            time.sleep(0.1)
            answer = self.http.post(NOTES, json={"title": "Milk"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def __enter__(self) -> "Node":
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(60) == 0, self._log.read_text()


def next_message(connection: ClientConnection) -> dict[str, Any]:
    """The next push or gap."""
    while True:
        message: dict[str, Any] = json.loads(connection.recv(30))
        if message["type"] in {"message", "gap"}:
            return message


def close_code(connection: ClientConnection) -> int:
    """Why the server closes the connection, once it does."""
    try:
        while True:
            connection.recv(60)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


@pytest.fixture
def environment(database_kind: DatabaseKind, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An installation without a process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    common = {
        **inherited,
        "RIVEREDGE_VAR_DIR": str(tmp_path / "var"),
        "RIVEREDGE_INNGEST__BASE_URL": "http://127.0.0.1:9",
        "RIVEREDGE_LOG_LEVEL": "warning",
    }
    if database_kind == "sqlite":
        (tmp_path / "var").mkdir()
        migrate(f"sqlite+aiosqlite:///{tmp_path / 'var' / 'riveredge.db'}")
        yield common
        return
    server = find_postgres()
    assert server is not None
    database = server.create_database()
    migrate(database.owner)
    yield {
        **common,
        "RIVEREDGE_DATABASE__URL": database.app,
        "RIVEREDGE_DATABASE__SYSTEM_URL": database.system,
    }
    server.drop_database(database.name)


Run = Callable[..., None]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """`run("tenant", "create", "acme")`: a command of the command line."""

    def command(*arguments: str) -> None:
        said = f"{PASSWORD}\n{PASSWORD}\n"
        done = run_command("riveredge", *arguments, env=environment, input=said)
        assert done.returncode == 0, done.stdout + done.stderr

    return command


@pytest.fixture
def nodes(environment: dict[str, str], run: Run, tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """Two processes, with a member signed in to both."""
    run("tenant", "create", "acme")
    run("user", "add", "acme", MEMBER, "--admin")
    with Node(environment, tmp_path / "one.log") as one, Node(environment, tmp_path / "two.log") as two:
        one.wait_until_ready()
        two.wait_until_ready()
        answer = one.http.post("/api/v1/auth/login", json={"email": MEMBER, "password": PASSWORD})
        for node in (one, two):
            node.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield one, two


@pytest.mark.database
def test_what_happens_in_one_process_is_told_in_the_other(nodes: tuple[Node, Node], run: Run) -> None:
    one, two = nodes
    live = two.follow("example.notes")
    notes = [node.write() for node in (one, two, one)]
    told = [next_message(live) for _ in notes]
    assert [message["data"]["note"] for message in told] == notes

    # A process that stops sends its clients away, and they go on elsewhere where they were.
    two.process.send_signal(signal.SIGTERM)
    assert close_code(live) == 1012
    missed = one.write()
    again = one.follow("example.notes", since=told[-1]["seq"])
    assert next_message(again)["data"] == {"note": missed}

    # The command line is a third process.
    run("tenant", "suspend", "acme")
    assert close_code(again) == 4403


@pytest.mark.database
def test_a_lost_connection_to_the_database_loses_no_push(
    database_kind: DatabaseKind, nodes: tuple[Node, Node], environment: dict[str, str]
) -> None:
    if database_kind == "sqlite":
        pytest.skip("about connections to a server")
    one, two = nodes
    live = two.follow("example.notes")
    first = one.write()
    assert next_message(live)["data"] == {"note": first}

    async def cut() -> int:
        import asyncpg

        server = find_postgres()
        assert server is not None
        name = environment["RIVEREDGE_DATABASE__URL"].rpartition("/")[2]
        connection = await asyncpg.connect(server.address)
        ended = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        await connection.close()
        return len(ended)

    assert in_thread(cut) > 2
    notes = [one.write(patient=True) for _ in range(3)]
    told = [next_message(live) for _ in notes]
    assert [message["data"]["note"] for message in told] == notes
