"""The engine as a process of its own: killed at any point, stopped, started again."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import fastapi
import httpx2
import inngest
import inngest.fast_api
import psycopg
import pytest

PATIENCE = 30.0
KILLS = int(os.environ.get("RIVEREDGE_TEST_KILLS", "200"))


class Process:
    """`riveredge-engine serve` over one file, on one port."""

    def __init__(self, directory: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = directory / "engine.db"
        self.location = str(self.store)
        self.log = directory / "engine.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def arguments(self) -> list[str]:
        place = ["--port", str(self.port), "--store", self.location]
        return ["serve", *place, "--retry-interval", "0.05", *self._options]

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", "from riveredge_engine.cli import main; main()", *self.arguments]

    def spawn(self) -> None:
        """Start the process, and do not wait for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def alive(self) -> bool:
        """Whether the process has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    @contextlib.contextmanager
    def rows(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Read the store while no engine has it; of a file a copy, so that recovering it is left to the next engine."""
        if self.location != str(self.store):
            with psycopg.connect(self.location, options="-c search_path=riveredge_engine") as connection:
                yield lambda sql: connection.execute(sql.encode()).fetchall()
            return
        with tempfile.TemporaryDirectory() as name:
            for path in self.store.parent.glob("engine.db*"):
                shutil.copy(path, name)
            with contextlib.closing(sqlite3.connect(Path(name) / "engine.db")) as copied:
                yield lambda sql: copied.execute(sql).fetchall()

    async def start(self) -> None:
        """Start the process, and wait until it answers."""
        self.spawn()
        await self.answers()

    async def answers(self) -> None:
        """Wait until the process answers."""
        async with httpx2.AsyncClient() as http:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await http.get(f"{self.url}/health")).status_code == 200:
                        return
                assert self.alive(), self.log.read_text()
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        code = self._process.wait(PATIENCE)
        self._process = None
        return code


class Forked(Process):
    """The same, forked from a process that has everything imported, so that starting it takes little time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        script = Path(__file__).parent / "nursery.py"
        environment = os.environ | {"ENGINE_LOG": str(self.log)}
        self._nursery = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self._child = 0

    def spawn(self) -> None:
        self._child = int(self._ask(json.dumps(self.arguments)))

    def alive(self) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, 0)
            return True
        return False

    def _ask(self, line: str = "") -> str:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        if line:
            self._nursery.stdin.write(f"{line}\n")
            self._nursery.stdin.flush()
        return self._nursery.stdout.readline()

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        if not self._child:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)
        self._child = 0
        return int(self._ask())

    def close(self) -> None:
        """End the engine and the process that it came from."""
        self.end()
        self._nursery.communicate()


class App:
    """Functions under test in this process, registered with the engine's process, and what they have done."""

    def __init__(self, engine: Process, client: inngest.Inngest) -> None:
        self.engine = engine
        self.client = client
        self.done: list[str] = []

    async def note(self, what: str) -> str:
        self.done.append(what)
        return what

    async def state(self, path: str) -> Any:
        async with httpx2.AsyncClient() as http:
            return (await http.get(self.engine.url + path)).json()["data"]

    async def send(self, *names: str) -> None:
        """Send events, whose ids are their names, until they are acknowledged."""
        events = [inngest.Event(name="job", id=name, data={"name": name}) for name in names]
        while True:
            try:
                await self.client.send(events)
            except Exception:  # noqa: BLE001 - the engine is away, and this sender does not give up
                await asyncio.sleep(0.05)
            else:
                return


@pytest.fixture
async def app(
    tmp_path: Path, serve_asgi: Callable[..., Any], wait_until: Any, kind_of_store: str, new_store: Callable[[], str]
) -> AsyncIterator[App]:
    engine = Forked(tmp_path)
    if kind_of_store == "postgresql":
        engine.location = new_store()
    logger = logging.getLogger("sdk-under-test")
    logger.setLevel(logging.CRITICAL)
    client = inngest.Inngest(
        app_id="app", is_production=False, api_base_url=engine.url, event_api_base_url=engine.url, logger=logger
    )
    made = App(engine, client)

    @client.create_function(fn_id="job", trigger=inngest.TriggerEvent(event="job"), retries=20)
    async def job(ctx: inngest.Context) -> str:
        name = str(ctx.event.data["name"])
        await ctx.step.run("one", made.note, f"{name}-one")
        await ctx.step.sleep("nap", datetime.timedelta(seconds=1))
        await ctx.group.parallel(
            (
                lambda: ctx.step.run("left", made.note, f"{name}-left"),
                lambda: ctx.step.run("right", made.note, f"{name}-right"),
            )
        )
        return name

    # Starts for nothing, but that somebody listens makes the engine keep an event for each end of a run.
    ends = inngest.TriggerEvent(event="inngest/function.finished", expression="event.data.function_id == 'none'")

    @client.create_function(fn_id="listener", trigger=ends)
    async def listener(ctx: inngest.Context) -> None: ...

    asgi = fastapi.FastAPI()
    inngest.fast_api.serve(asgi, client, [job, listener])
    async with serve_asgi(asgi) as url:
        engine._options = ("--app-url", f"{url}/api/inngest")
        try:
            await engine.start()

            async def registered() -> bool:
                return bool(await made.state("/v1/apps"))

            await wait_until(registered, "the app to be found")
            yield made
        finally:
            engine.close()
            await client._http_client._http_client.aclose()
            client._http_client._http_client_sync.close()


async def all_completed(app: App, count: int) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return len(await app.state("/v1/runs?status=Completed&limit=100")) >= count
    return False


class Model:
    """What must stay true of a store over any number of kills, checked while no engine has it.

    An acknowledged event has its one run, what is stored stays as it is, the app is never asked again for a stored
    step, and a run that has ended has ended for good.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.acknowledged: list[str] = []
        self.steps: dict[tuple[str, str], str] = {}
        self.ended: dict[str, tuple[str, str]] = {}
        self.done: dict[str, int] = {}

    def check(self) -> None:
        with self._app.engine.rows() as rows:
            self._compare(rows)

    def _compare(self, rows: Callable[[str], list[tuple[Any, ...]]]) -> None:
        runs = dict(
            rows(
                "SELECT runs.id, events.external_id FROM runs JOIN events ON events.id = runs.event_id"
                " WHERE events.name = 'job'"
            )
        )
        assert len(runs) == len(set(runs.values())), "an event has two runs"
        assert set(self.acknowledged) <= set(runs.values()), "an acknowledged event is lost"
        steps = {(run, step): memo for run, step, memo in rows("SELECT run_id, name, memo FROM steps WHERE done = 1")}
        assert self.steps.items() <= steps.items(), "a stored step is lost or has changed"
        ended = {
            run: (status, output)
            for run, status, output in rows("SELECT id, status, output FROM runs")
            if status != "Running"
        }
        assert self.ended.items() <= ended.items(), "an ended run went on"
        ends = [
            json.loads(body)["data"]["run_id"]
            for (body,) in rows("SELECT body FROM events WHERE name = 'inngest/function.finished'")
        ]
        assert sorted(ends) == sorted(ended), "a run did not end exactly once"
        counts = Counter(self._app.done)
        assert self.done == {what: counts[what] for what in self.done}, "a stored step was run again"
        self.steps, self.ended = steps, ended
        self.done = {
            f"{runs[run]}-{step}": counts[f"{runs[run]}-{step}"]
            for run, step in steps
            if step in {"one", "left", "right"}
        }


@pytest.mark.slow
@pytest.mark.database
async def test_nothing_acknowledged_is_lost_by_sigkill_at_random_points(
    app: App, kind_of_store: str, wait_until: Any
) -> None:
    chance, model, killing = random.Random(7), Model(app), True

    async def send() -> None:
        while killing:
            name = f"job-{len(model.acknowledged)}"
            await app.send(name)
            model.acknowledged.append(name)
            await asyncio.sleep(chance.random() * 0.2)

    sending = asyncio.create_task(send())
    # Most are for the file, whose recovery is the engine's own; a database server outlives the engine.
    for _ in range(KILLS if kind_of_store == "sqlite" else KILLS // 5):
        # Sometimes in the middle of its start, when it takes over what it finds.
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.1)
        else:
            await app.engine.answers()
            await asyncio.sleep(chance.random() * 0.3)
        app.engine.end()
        model.check()
        app.engine.spawn()
    await app.engine.answers()
    killing = False
    await sending

    async def all_have_ended() -> bool:
        return not await app.state("/v1/runs?status=Running&limit=1")

    await wait_until(all_have_ended, "all runs to end")
    app.engine.end()
    model.check()
    # Each event started one run, which ended with its own result after each of its steps.
    assert Counter(model.ended.values()) == Counter(("Completed", json.dumps(name)) for name in model.acknowledged)
    assert Counter(step for _, step in model.steps) == dict.fromkeys(
        ("one", "nap", "left", "right"), len(model.acknowledged)
    )
    assert set(app.done) == {f"{name}-{step}" for name in model.acknowledged for step in ("one", "left", "right")}


async def test_a_stored_step_is_never_run_again(app: App, wait_until: Any) -> None:
    await app.send("only")

    async def stored() -> bool:
        runs = await app.state("/v1/runs")
        steps = await app.state(f"/v1/runs/{runs[0]['run_id']}/steps") if runs else []
        return {step["name"]: step["status"] for step in steps} == {"one": "Completed", "nap": "Pending"}

    await wait_until(stored, "the first step to be stored and the run to sleep")
    for _ in range(3):
        app.engine.end()
        await app.engine.start()
    await wait_until(lambda: all_completed(app, 1), "the run to complete")
    # The other steps may have been under way when the engine was killed; this one's result was on disk.
    assert app.done.count("only-one") == 1
    assert set(app.done) == {"only-left", "only-one", "only-right"}


async def test_a_terminated_engine_ends_cleanly_and_goes_on(app: App, wait_until: Any) -> None:
    await app.send("a", "b", "c")
    assert await asyncio.to_thread(app.engine.end, signal.SIGTERM) == 0
    assert "Traceback" not in app.engine.log.read_text()
    await app.engine.start()
    await wait_until(lambda: all_completed(app, 3), "the runs to complete")
    assert sorted(set(app.done)) == sorted(f"{name}-{step}" for name in "abc" for step in ("one", "left", "right"))


async def test_a_store_has_one_engine_at_a_time(app: App) -> None:
    other = Process(app.engine.store.parent)
    answer = await asyncio.to_thread(
        subprocess.run, other.command, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert answer.returncode == 1
    assert "another engine" in answer.stderr
    assert "Traceback" not in answer.stderr


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from riveredge_engine.cli import main; main()", *arguments]
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)


def test_the_command_line_explains_itself() -> None:
    answer = run_cli("serve", "--help")
    assert answer.returncode == 0
    kept = ("--keep-days", "--keep-runs")
    for option in (
        "--host",
        "--port",
        "--store",
        "--event-key",
        "--signing-key",
        "--app-url",
        "--retry-interval",
        *kept,
    ):
        assert option in answer.stdout


def test_without_keys_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    for keys in ((), ("--event-key", "e"), ("--signing-key", "ab" * 32)):
        answer = run_cli("serve", "--host", "0.0.0.0", "--store", str(tmp_path / "e.db"), *keys)
        assert (answer.returncode, "--event-key" in answer.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


async def test_dumping_a_store(app: App, wait_until: Any) -> None:
    await app.send("a", "b")
    await wait_until(lambda: all_completed(app, 2), "the runs to complete")
    in_use = await asyncio.to_thread(run_cli, "dump", "--store", str(app.engine.store))
    assert (in_use.returncode, "another engine" in in_use.stderr) == (1, True)
    await asyncio.to_thread(app.engine.end, signal.SIGTERM)
    everything = await asyncio.to_thread(run_cli, "dump", "--store", str(app.engine.store))
    records = [json.loads(line) for line in everything.stdout.splitlines()]
    assert Counter(record["record"] for record in records) == {"app": 1, "function": 2, "run": 2, "step": 8, "event": 4}
    assert "-one" not in everything.stdout
    run = next(record for record in records if record["record"] == "run")
    chosen = await asyncio.to_thread(
        run_cli, "dump", "--store", str(app.engine.store), "--run", run["id"], "--contents"
    )
    kept = [json.loads(line) for line in chosen.stdout.splitlines()]
    assert Counter(record["record"] for record in kept) == {"run": 1, "step": 4, "event": 1}
    assert kept[0]["output"] in {"a", "b"}


def test_a_store_that_is_missing_cannot_be_dumped(tmp_path: Path) -> None:
    answer = run_cli("dump", "--store", str(tmp_path / "none.db"))
    assert (answer.returncode, "there is no store" in answer.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_signing_key_is_refused(tmp_path: Path) -> None:
    answer = run_cli("serve", "--store", str(tmp_path / "e.db"), "--signing-key", "not-hex")
    assert (answer.returncode, "signing key" in answer.stderr) == (1, True)


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "engine.db"
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 999")
    answer = run_cli("serve", "--store", str(store), "--port", "0")
    assert answer.returncode == 1
    assert "another version" in answer.stderr
    assert "Traceback" not in answer.stderr
