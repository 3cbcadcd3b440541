"""Two processes share one listening socket and are restarted in turn while clients go on: nothing is lost."""

import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from riveredge_kernel.server import listen
from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.commands import run_command, start_command
from riveredge_sdk.testing.postgres import find_postgres

from .instances import Instance

MEMBER = "ada@acme.example"
PASSWORD = "correct horse battery staple"
SIGNING_KEY = "signkey-test-" + "ab" * 32


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A production installation on PostgreSQL, with an Inngest server that outlives its processes."""
    server = find_postgres()
    if server is None:
        assert not os.environ.get("CI"), "CI needs PostgreSQL"
        pytest.skip("no PostgreSQL here")
    database = server.create_database()
    migrate(database.owner)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        engine_port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    command = ["riveredge-engine", "serve", "--port", str(engine_port), "--store", str(tmp_path / "engine.db")]
    with (tmp_path / "engine.log").open("wb") as log:
        keys = ["--signing-key", SIGNING_KEY, "--event-key", "event-key"]
        engine = start_command(*command, *keys, env=inherited, stdout=log, stderr=log)
    yield {
        **inherited,
        "RIVEREDGE_ENVIRONMENT": "production",
        "RIVEREDGE_VAR_DIR": str(tmp_path / "var"),
        "RIVEREDGE_DATABASE__URL": database.app,
        "RIVEREDGE_DATABASE__SYSTEM_URL": database.system,
        "RIVEREDGE_INNGEST__BASE_URL": f"http://127.0.0.1:{engine_port}",
        "RIVEREDGE_INNGEST__SIGNING_KEY": SIGNING_KEY,
        "RIVEREDGE_INNGEST__EVENT_KEY": "event-key",
        "RIVEREDGE_HTTP__DRAIN_SECONDS": "1",
        "RIVEREDGE_LOG_LEVEL": "warning",
    }
    engine.terminate()
    assert engine.wait(30) == 0
    server.drop_database(database.name)


@pytest.fixture
def token(environment: dict[str, str]) -> Callable[[str], str]:
    """Signs the member of a new organisation in."""

    def run(*arguments: str) -> None:
        said = f"{PASSWORD}\n{PASSWORD}\n"
        done = run_command("riveredge", *arguments, env=environment, input=said)
        assert done.returncode == 0, done.stdout + done.stderr

    run("tenant", "create", "acme")
    run("user", "add", "acme", MEMBER, "--admin")

    def sign_in(base: str) -> str:
        answer = httpx2.post(f"{base}/api/v1/auth/login", json={"email": MEMBER, "password": PASSWORD}, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    return sign_in


class Load:
    """Clients that write and read until they are told to stop: kept connections, and a new one for each request."""

    def __init__(self, base: str, token: str) -> None:
        self.answers: Counter[str] = Counter()
        self.titles: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._base, self._headers = base, {"Authorization": f"Bearer {token}"}
        self._threads = [threading.Thread(target=self._client, args=(n, n % 2 == 0)) for n in range(6)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int, keeps: bool) -> None:
        with httpx2.Client(base_url=self._base, headers=self._headers, timeout=30) as kept:
            count = 0
            while not self._stop.is_set():
                count += 1
                title = f"{number}-{count}"
                with contextlib.nullcontext(kept) if keeps else self._fresh() as client:
                    try:
                        answer = str(client.post("/api/v1/example/notes", json={"title": title}).status_code)
                    except httpx2.HTTPError as error:
                        answer = repr(error)
                with self._lock:
                    self.answers[answer] += 1
                    self.titles.add(title)

    def _fresh(self) -> httpx2.Client:
        return httpx2.Client(base_url=self._base, headers=self._headers, timeout=30)


@pytest.mark.slow
def test_a_rolling_restart_under_load_loses_no_request(
    environment: dict[str, str], token: Callable[[str], str], tmp_path: Path
) -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        environment["RIVEREDGE_PORT"] = str(port)
        instances = [Instance(sock, environment, tmp_path / f"{n}.log") for n in range(2)]
        try:
            for instance in instances:
                instance.wait_until_ready()
            with Load(base, signed := token(base)) as load:
                for n in range(2):
                    time.sleep(1)
                    instances[n].stop()
                    instances[n] = Instance(sock, environment, tmp_path / f"again-{n}.log")
                    instances[n].wait_until_ready()
                time.sleep(1)
            assert set(load.answers) == {"201"}, load.answers
            assert load.answers["201"] == len(load.titles) > 100
            kept = _titles(base, signed)
            assert sorted(kept) == sorted(load.titles)
        finally:
            for instance in instances:
                instance.kill()
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


def _titles(base: str, token: str) -> list[str]:
    found: list[str] = []
    parameters = {"limit": "200"}
    with httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        while True:
            page = client.get("/api/v1/example/notes", params=parameters).json()
            found += [note["title"] for note in page["items"]]
            if page["next"] is None:
                return found
            parameters["cursor"] = page["next"]
