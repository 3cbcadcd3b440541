"""The engine as a process of its own: killed at any point, stopped, started again."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import fastapi
import httpx2
import inngest
import pytest

PATIENCE = 30.0


class Process:
    """`riveredge-engine serve` over one file, on one port."""

    def __init__(self, directory: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = directory / "engine.db"
        self.log = directory / "engine.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        run = "from riveredge_engine.cli import main; main()"
        place = ["--port", str(self.port), "--store", str(self.store)]
        return [sys.executable, "-c", run, "serve", *place, "--retry-interval", "0.05", *self._options]

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)  # noqa: ASYNC220 - starts at once
        async with httpx2.AsyncClient() as http:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await http.get(f"{self.url}/health")).status_code == 200:
                        return
                assert self._process.poll() is None, self.log.read_text()
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
async def app(tmp_path: Path, serve_asgi: Callable[..., Any], wait_until: Any) -> AsyncIterator[App]:
    import logging

    engine = Process(tmp_path)
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

    asgi = fastapi.FastAPI()
    inngest.fast_api.serve(asgi, client, [job])
    async with serve_asgi(asgi) as url:
        engine._options = ("--app-url", f"{url}/api/inngest")
        try:
            await engine.start()

            async def registered() -> bool:
                return bool(await made.state("/v1/apps"))

            await wait_until(registered, "the app to be found")
            yield made
        finally:
            engine.end()
            await client._http_client._http_client.aclose()
            client._http_client._http_client_sync.close()


async def all_completed(app: App, count: int) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return len(await app.state("/v1/runs?status=Completed&limit=100")) >= count
    return False


async def test_nothing_acknowledged_is_lost_by_sigkill_at_random_points(app: App, wait_until: Any) -> None:
    chance, names = random.Random(7), [f"job-{number}" for number in range(40)]

    async def send() -> None:
        for name in names:
            await app.send(name)
            await asyncio.sleep(chance.random() * 0.05)

    sending = asyncio.create_task(send())
    for _ in range(8):
        await asyncio.sleep(0.1 + chance.random() * 0.4)
        app.engine.end()
        await app.engine.start()
    await sending
    await wait_until(lambda: all_completed(app, len(names)), "all runs to complete")
    runs = await app.state("/v1/runs?limit=100")
    # Each event started one run, which ended once and with its own result.
    assert Counter(run["output"] for run in runs) == Counter(names)
    assert {run["status"] for run in runs} == {"Completed"}
    for run in runs:
        steps = await app.state(f"/v1/runs/{run['run_id']}/steps")
        assert sorted(step["name"] for step in steps) == ["left", "nap", "one", "right"]
        assert all(step["status"] == "Completed" for step in steps)
    assert set(app.done) == {f"{name}-{step}" for name in names for step in ("one", "left", "right")}


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
    assert app.engine.end(signal.SIGTERM) == 0
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
    for option in ("--host", "--port", "--store", "--event-key", "--signing-key", "--app-url", "--retry-interval"):
        assert option in answer.stdout


async def test_dumping_a_store(app: App, wait_until: Any) -> None:
    await app.send("a", "b")
    await wait_until(lambda: all_completed(app, 2), "the runs to complete")
    in_use = await asyncio.to_thread(run_cli, "dump", "--store", str(app.engine.store))
    assert (in_use.returncode, "another engine" in in_use.stderr) == (1, True)
    app.engine.end(signal.SIGTERM)
    everything = await asyncio.to_thread(run_cli, "dump", "--store", str(app.engine.store))
    records = [json.loads(line) for line in everything.stdout.splitlines()]
    assert Counter(record["record"] for record in records) == {"app": 1, "function": 1, "run": 2, "step": 8, "event": 2}
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
    import sqlite3

    store = tmp_path / "engine.db"
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 999")
    answer = run_cli("serve", "--store", str(store), "--port", "0")
    assert answer.returncode == 1
    assert "another version" in answer.stderr
    assert "Traceback" not in answer.stderr
