"""The embedded engine against its goals: as a process of its own that calls an app of the unmodified SDK over HTTP.

With `RIVEREDGE_TEST_INNGEST_URL` (and `RIVEREDGE_TEST_INNGEST_EVENT_KEY`, `…_SIGNING_KEY`) an Inngest server is
measured in the same run, with a fifth of the load where the load only takes time; what needs its process is left out.
"""

import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psutil

from benchmarks.requests import free_port, served
from riveredge_sdk.testing.postgres import find_postgres

SERVER = os.environ.get("RIVEREDGE_TEST_INNGEST_URL")
PATIENCE = 300.0
LATENCIES = 100
RUNS = 1000
WAITING = 10_000
HISTORY = 100_000
IDLE_SECONDS = 10.0
SEND_AT_ONCE = 500


class Figure(NamedTuple):
    """What was measured, as shown, and whether it reaches the goal (None: there is none)."""

    shown: str
    reached: bool | None = None


Figures = dict[str, Figure]

GOALS = {
    "start": "start-up|< 1 s",
    "idle": "idle: CPU, memory|< 1 %, < 60 MB",
    "latency": "event to user code, p50 / p95|< 10 / 25 ms",
    "three": "function of three steps, p50|< 30 ms",
    "rate": "runs per second, of one step|≥ 250",
    "many": "the same with 2,000 functions, by 20|≥ 0.9 times",
    "memory": "memory after 3,000 runs|< 120 MB",
    "history": "runs per second after 100,000 runs|≥ 250",
    "postgresql": "runs per second, state in PostgreSQL|≥ 250",
    "killed": "acknowledged, lost by SIGKILL|0",
    "kept": "sleeping over SIGKILL, lost|0",
    "waiting": "memory of 10,000 sleeping and waiting|< 100 MB",
    "second": "1,000 wake in one second, late p50 / p99|p99 < 250 ms",
    "instant": "1,000 wake at one instant, late p50 / p99|",
    "early": "the earliest of them|not early",
}


class Engine:
    """`riveredge-engine serve` over one file, or over a database by its address."""

    def __init__(self, directory: Path, address: str | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = directory / "engine.db"
        self._location = address or str(self.store)
        self._process: psutil.Popen | None = None

    def start(self) -> float:
        """The seconds until it answers."""
        place = ["--port", str(self.port), "--store", self._location, "--retry-interval", "0.2"]
        command = [str(Path(sys.executable).parent / "riveredge-engine"), "serve", *place]
        began = time.perf_counter()
        self._process = psutil.Popen(command, stderr=subprocess.DEVNULL)
        while True:
            with contextlib.suppress(OSError, httpx2.HTTPError):
                if httpx2.get(f"{self.url}/health").status_code == 200:
                    return time.perf_counter() - began
            time.sleep(0.005)

    @property
    def process(self) -> psutil.Popen:
        if self._process is None:
            raise RuntimeError("the engine is not running")
        return self._process

    def end(self, *, kill: bool = False) -> None:
        """Terminate it, or kill it as a power cut would."""
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(30)
            self._process = None

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 1e6


@dataclass
class App:
    """An app in a process of its own, and the server that runs its functions."""

    url: str
    name: str
    server: str
    event_key: str
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60))
    rounds: int = 0

    def send(self, kind: str, count: int, **data: Any) -> str:
        """Send events of a new round; its id. Values that can be called are called with the event's number."""
        self.rounds += 1
        round_id = str(self.rounds)
        events = [
            {
                "name": f"{self.name}/{kind}",
                "data": {"round": round_id, "number": n}
                | {key: value(n) if callable(value) else value for key, value in data.items()},
            }
            for n in range(count)
        ]
        for first in range(0, count, SEND_AT_ONCE):
            answer = self.http.post(f"{self.server}/e/{self.event_key}", json=events[first : first + SEND_AT_ONCE])
            answer.raise_for_status()
        return round_id

    def times(self, round_id: str, count: int, *, patience: float = PATIENCE, pause: float = 0.1) -> list[float]:
        """When the code of each run was reached, in the order of their events; fewer once patience has ended."""
        deadline = time.monotonic() + patience
        while int(self.http.get(f"{self.url}/reached/{round_id}").text) < count and time.monotonic() < deadline:
            time.sleep(pause)
        found = self.http.get(f"{self.url}/reached/{round_id}/times").json()
        return [found[key] for key in sorted(found, key=int)]

    def one_by_one(self, kind: str, count: int) -> list[float]:
        """Milliseconds from sending an event to the code, with nothing else to do; sorted."""
        taken = []
        for _ in range(count):
            began = time.time()
            round_id = self.send(kind, 1)
            taken.append((self.times(round_id, 1, pause=0.005)[0] - began) * 1000)
        return sorted(taken)

    def rate(self, count: int) -> float:
        """Runs per second, from the first event sent to the last run's code."""
        began = time.time()
        times = self.times(self.send("one", count), count)
        return len(times) / (max(times) - began)

    def lateness(self, count: int, ahead: float, spread: float) -> list[float]:
        """Milliseconds between the due time and the code of runs that sleep until the same time; sorted."""
        base = float(int(time.time() + ahead))
        due = [base + n * spread / count for n in range(count)]
        times = self.times(self.send("sleep", count, until=lambda n: due[n]), count)
        return sorted((at - until) * 1000 for at, until in zip(times, due, strict=True))


@contextlib.contextmanager
def registered(
    server: str, name: str, *, functions: int = 20, event_key: str = "", signing_key: str = ""
) -> Iterator[App]:
    """An app that the server knows."""
    port = free_port()
    environment = {"BENCH_SERVER": server, "BENCH_APP": name, "BENCH_FUNCTIONS": str(functions)}
    keys = {"BENCH_EVENT_KEY": event_key, "BENCH_SIGNING_KEY": signing_key}
    environment |= {key: value for key, value in keys.items() if value}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.engine_app:app",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    with served([*command, "--no-access-log"], port, environment, "/reached/none") as url:
        app = App(url, name, server, event_key or "any")
        app.http.put(f"{url}/api/inngest").raise_for_status()
        # An Inngest server registers after its answer.
        app.times(app.send("one", 1), 1)
        yield app
        app.http.close()


def _pair(values: list[float], share: float) -> tuple[float, float]:
    return statistics.median(values), values[min(len(values) - 1, int(len(values) * share))]


def _speed(app: App, *, share: int = 1) -> Figures:
    """The rows that any server has; `share` divides the load."""
    p50, p95 = _pair(app.one_by_one("now", LATENCIES // share), 0.95)
    three = statistics.median(app.one_by_one("three", LATENCIES // share))
    rates = [app.rate(RUNS // share) for _ in range(3 if share == 1 else 1)]
    return {
        "latency": Figure(f"{p50:.1f} / {p95:.1f} ms", p50 < 10 and p95 < 25),
        "three": Figure(f"{three:.1f} ms", three < 30),
        "rate": Figure(f"{statistics.median(rates):.0f}", statistics.median(rates) >= 250),
    }


def _wake_ups(app: App, ahead: float) -> Figures:
    second, instant = app.lateness(RUNS, ahead, 1.0), app.lateness(RUNS, ahead, 0.0)
    p50, p99 = _pair(second, 0.99)
    instant_p50, instant_p99 = _pair(instant, 0.99)
    earliest = min(second[0], instant[0])
    return {
        "second": Figure(f"{p50:.0f} / {p99:.0f} ms", p99 < 250),
        "instant": Figure(f"{instant_p50:.0f} / {instant_p99:.0f} ms"),
        "early": Figure(f"{earliest:+.1f} ms", earliest >= 0),
    }


def _idle(engine: Engine) -> Figure:
    time.sleep(3)  # What the start leaves to do is not idling.
    engine.process.cpu_percent()
    time.sleep(IDLE_SECONDS)
    cpu, memory = engine.process.cpu_percent(), engine.megabytes()
    return Figure(f"{cpu:.1f} %, {memory:.0f} MB", cpu < 1 and memory < 60)


def _grow(store: Path) -> None:
    """Copy the runs of a store, with all that belongs to them, until there are `HISTORY` of them."""
    with contextlib.closing(sqlite3.connect(store)) as rows:
        columns = {
            table: [name for _, name, *_ in rows.execute(f"PRAGMA table_info({table})")]
            for table in ("events", "runs", "run_events", "steps")
        }
        runs = rows.execute("SELECT count(*) FROM runs").fetchone()[0]
        copies = [(f"-{number}",) for number in range(HISTORY // runs)]
        rows.execute("CREATE TEMPORARY TABLE copies (suffix TEXT)")
        rows.executemany("INSERT INTO copies VALUES (?)", copies)
        for table, names in columns.items():
            # Only what identifies a run or an event differs between the copies.
            is_key = {"id", "event_id", "run_id"}
            values = ", ".join(f"{name} || suffix" if name in is_key else name for name in names)
            rows.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}, copies")  # noqa: S608
        rows.commit()


def _killed(engine: Engine, app: App) -> Figures:
    """Kill the engine as soon as it has acknowledged; what had not run by then must run after the next start."""
    until = time.time() + 8
    sleeping = app.send("sleep", RUNS, until=until)
    pending = app.send("one", 2 * RUNS)
    engine.end(kill=True)
    engine.start()
    lost = 2 * RUNS - len(app.times(pending, 2 * RUNS, patience=60))
    forgotten = RUNS - len(app.times(sleeping, RUNS, patience=60))
    return {
        "killed": Figure(f"{lost} of {2 * RUNS:,}", lost == 0),
        "kept": Figure(f"{forgotten} of {RUNS:,}", forgotten == 0),
    }


def _postgresql(directory: Path) -> Figures:
    """The rate of an engine that keeps its state in PostgreSQL, where one can be had."""
    server = find_postgres()
    if server is None:
        return {}
    database = server.create_database()
    engine = Engine(directory, database.owner.replace("postgresql+asyncpg", "postgresql"))
    try:
        engine.start()
        with registered(engine.url, "bench-postgresql") as app:
            rate = statistics.median(app.rate(RUNS) for _ in range(3))
    finally:
        engine.end()
        server.drop_database(database.name)
    return {"postgresql": Figure(f"{rate:.0f}", rate >= 250)}


def _waiting(engine: Engine, app: App) -> Figure:
    """The memory of a fresh engine once it has that many runs that sleep or wait for an event."""
    app.send("sleep", WAITING // 2, until=time.time() + 3600)
    app.send("wait", WAITING // 2)
    _until_quiet(engine)
    memory = engine.megabytes()
    return Figure(f"{memory:.0f} MB", memory < 100)


def _until_quiet(engine: Engine) -> None:
    """Wait until the engine has nothing to do."""
    engine.process.cpu_percent()
    while engine.process.cpu_percent(0.5) > 5:
        pass


def measure_engine(directory: Path) -> Figures:
    """All rows."""
    engine = Engine(directory)
    starts = []
    figures: Figures = {}
    with ExitStack() as stack:
        stack.callback(engine.end)
        for _ in range(3):
            engine.end()
            starts.append(engine.start())
        figures["start"] = Figure(f"{min(starts):.2f} s", min(starts) < 1)
        figures["idle"] = _idle(engine)
        with registered(engine.url, "bench") as app:
            figures |= _speed(app)
            memory = engine.megabytes()
            figures["memory"] = Figure(f"{memory:.0f} MB", memory < 120)
            with registered(engine.url, "bench-many", functions=2000) as many:
                ratio = statistics.median(many.rate(RUNS) / app.rate(RUNS) for _ in range(2))
            figures["many"] = Figure(f"{ratio:.2f} times", ratio >= 0.9)
            engine.end()
            _grow(engine.store)
            engine.start()
            rate = statistics.median(app.rate(RUNS) for _ in range(3))
            figures["history"] = Figure(f"{rate:.0f}", rate >= 250)
            figures |= _wake_ups(app, ahead=8)
            figures |= _killed(engine, app)
            engine.end()
            engine.start()
            figures["waiting"] = _waiting(engine, app)
    return figures | _postgresql(directory)


def measure_server(url: str) -> Figures:
    """The rows of a server that somebody else runs."""
    keys = {name.lower(): os.environ.get(f"RIVEREDGE_TEST_INNGEST_{name}", "") for name in ("EVENT_KEY", "SIGNING_KEY")}
    with registered(url, f"bench-{free_port()}", **keys) as app:  # type: ignore[arg-type]
        return _speed(app, share=5) | _wake_ups(app, ahead=45)


def run(directory: Path) -> Iterator[tuple[str, str, list[Figure]]]:
    """Each row: its title, its goal, and the figures of the engine and of the given server, if there is one."""
    measured = [measure_engine(directory)]
    if SERVER:
        measured.append(measure_server(SERVER))
    for key, row in GOALS.items():
        title, _, goal = row.partition("|")
        yield title, goal, [figures.get(key, Figure("–")) for figures in measured]
