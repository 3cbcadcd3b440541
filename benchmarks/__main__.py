"""`make bench`: measured side by side in one run, as ratios to what a user would use instead."""

import logging
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import approvals, due, engine, latency, mail, messaging, requests, startup, stream
from benchmarks.load import Result
from riveredge_kernel import logging as kernel_logging
from riveredge_kernel.settings import Settings
from riveredge_sdk.testing.postgres import find_postgres

out = Console(highlight=False, width=110)

LEAST_THROUGHPUT = 0.7
LEAST_MAILS = 0.5
MOST_STARTUP = 1.5
MOST_BROADCAST = 1000
MOST_FAN_OUT = 20.0
MOST_MEGABYTES = 300
LEAST_DECISIONS = 2.0
MOST_TO_NEXT_TASK = 150


def _verdict(reached: bool) -> str:
    return "[green]reached[/green]" if reached else "[red]missed[/red]"


def _requests() -> None:
    out.print("[bold]Requests[/bold], eight connections, the same rows, side by side with FastAPI + SQLModel by hand")
    table = Table("database", "end-point", "", "per second", "p50 ms", "p95 ms", "ratio", "goal ≥ 0.7")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sqlite = f"sqlite+aiosqlite:///{directory}"
        measured = {"SQLite": requests.run(directory, f"{sqlite}/ours.db", f"{sqlite}/hand.db")}
        postgres = find_postgres()
        if postgres is not None:
            first, second = postgres.create_database(), postgres.create_database()
            roles = {"owner_url": first.owner, "system_url": first.system}
            measured["PostgreSQL"] = requests.run(directory, first.app, second.owner, **roles)
            for made in (first, second):
                postgres.drop_database(made.name)
    for database, pairs in measured.items():
        for end_point, rounds in pairs.items():
            ratio = statistics.median(ours.per_second / hand.per_second for ours, hand in rounds)
            ours, hand = rounds[-1]
            _row(table, database, end_point, "RiverEdge", ours, f"{ratio:.2f}", _verdict(ratio >= LEAST_THROUGHPUT))
            _row(table, "", "", "by hand", hand, "", "")
    out.print(table)


def _row(table: Table, database: str, end_point: str, who: str, result: Result, ratio: str, goal: str) -> None:  # noqa: PLR0917
    numbers = (f"{result.per_second:.0f}", f"{result.quantile(0.5):.1f}", f"{result.quantile(0.95):.1f}")
    table.add_row(database, end_point, who, *numbers, ratio, goal)


def _startup() -> None:
    with tempfile.TemporaryDirectory() as name:
        none, fifty = startup.run(Path(name))
    ratio = fifty / none
    out.print(
        f"Start-up: {none:.2f} s without plugins, {fifty:.2f} s with {startup.PLUGINS}: "
        f"{ratio:.2f} times (goal under {MOST_STARTUP}: {_verdict(ratio < MOST_STARTUP)})"
    )


def _latency() -> None:
    with tempfile.TemporaryDirectory() as name:
        seconds = latency.run(Path(name))
    p50, p95 = seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.95)] * 1000
    out.print(f"From request to delivered mail: p50 {p50:.0f} ms, p95 {p95:.0f} ms, {len(seconds)} one after another")


def _due() -> None:
    postgres = find_postgres()
    if postgres is None:
        out.print("Schedules due within a minute: needs PostgreSQL")
        return
    title = f"due in 60 s, of {due.SCHEDULES:,}"
    table = Table(title, "executed", "twice", "early", "late p50 s", "p95 s", "p99 s", "ms CPU each", "goal", "")
    with tempfile.TemporaryDirectory() as name:
        for found in due.run(Path(name), postgres):
            goal = due.GOALS[found.due]
            shown = [f"{found.executed:,}", f"{found.twice}", f"{found.early}"]
            late = [f"{seconds:.2f}" for seconds in (found.p50, found.p95, found.p99)]
            there = f"{found.database_cpu:.2f}" if found.database_cpu is not None else "?"
            late.append(f"{found.cpu:.2f} + {there}")
            reached = found.executed == found.due and found.twice == found.early == 0 and found.p99 < goal
            table.add_row(f"{found.due:,}", *shown, *late, f"all once, p99 < {goal:g} s", _verdict(reached))
    out.print(table)


def _stream() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        measured = {"SQLite": stream.run(directory, f"sqlite+aiosqlite:///{directory}/stream.db")}
        postgres = find_postgres()
        if postgres is not None:
            made = postgres.create_database()
            roles = {"owner_url": made.owner, "system_url": made.system}
            measured["PostgreSQL"] = stream.run(directory, made.app, **roles)
            postgres.drop_database(made.name)
    for database, seconds in measured.items():
        p50, p99 = seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.99)] * 1000
        out.print(
            f"From a request to {stream.CLIENTS} WebSocket clients, {database}: p50 {p50:.0f} ms, p99 {p99:.0f} ms "
            f"(goal under 1000: {_verdict(p99 < MOST_BROADCAST)})"
        )


def _messaging() -> None:
    for measure in (_fan_out, _told):
        _on_each_database(measure)


def _on_each_database(measure: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        measure("SQLite", directory, f"sqlite+aiosqlite:///{directory}/messaging.db")
        postgres = find_postgres()
        if postgres is not None:
            made = postgres.create_database()
            measure("PostgreSQL", directory, made.app, owner_url=made.owner, system_url=made.system)
            postgres.drop_database(made.name)


def _fan_out(kind: str, directory: Path, url: str, **database: str) -> None:
    found = messaging.fan_out(directory, url, **database)
    reached = found.seconds < MOST_FAN_OUT and found.megabytes < MOST_MEGABYTES
    out.print(
        f"A message to {messaging.RECIPIENTS:,} inboxes, {kind}: {found.seconds:.1f} s, {found.megabytes:.0f} MB "
        f"(goal under {MOST_FAN_OUT:g} s and {MOST_MEGABYTES} MB: {_verdict(reached)})"
    )


def _told(kind: str, directory: Path, url: str, **database: str) -> None:
    seconds = messaging.broadcast(directory, url, **database)
    p50, p99 = seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.99)] * 1000
    out.print(
        f"A message to {messaging.CLIENTS} people with an open page, {kind}: told p50 {p50:.0f} ms, p99 {p99:.0f} ms "
        f"(goal under 1000: {_verdict(p99 < MOST_BROADCAST)})"
    )


def _mail() -> None:
    _on_each_database(_mails)


def _mails(kind: str, directory: Path, url: str, **database: str) -> None:
    rounds = mail.run(directory, url, database)
    ratio = statistics.median(each.ours / each.by_hand for each in rounds)
    ours, by_hand = (statistics.median(getattr(each, who) for each in rounds) for who in ("ours", "by_hand"))
    out.print(
        f"{mail.MAILS:,} mails over {mail.CONNECTIONS} connections, {kind}: {ours:.0f} a second end to end, "
        f"aiosmtplib by hand {by_hand:.0f}: "
        f"ratio {ratio:.2f} (goal ≥ {LEAST_MAILS:g}: {_verdict(ratio >= LEAST_MAILS)})"
    )


def _approvals() -> None:
    postgres = find_postgres()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if postgres is not None:
            table = Table(
                "approvers", "RiverEdge, over HTTP", "in process", "SpiffWorkflow, in process", "ratio", "goal ≥ 2"
            )
            made, other = postgres.create_database(), postgres.create_database()
            roles = {"owner_url": made.owner, "system_url": made.system}
            for each in approvals.decisions(directory, made.app, other.owner, **roles):
                ratio = each.ours / each.theirs
                rates = (f"{rate:.0f}" for rate in (each.served, each.ours, each.theirs))
                table.add_row(f"{each.approvers}", *rates, f"{ratio:.2f}", _verdict(ratio >= LEAST_DECISIONS))
            out.print("[bold]Decisions a second[/bold], states in the same PostgreSQL", table)
    _on_each_database(_steps)


def _steps(kind: str, directory: Path, url: str, **database: str) -> None:
    seconds = approvals.steps(directory, url, **database)
    p50, p95 = seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.95)] * 1000
    out.print(
        f"From a decision to the next task, {kind}: p50 {p50:.0f} ms, p95 {p95:.0f} ms "
        f"(goal under {MOST_TO_NEXT_TASK}: {_verdict(p95 < MOST_TO_NEXT_TASK)})"
    )


def _engine() -> None:
    table = Table("embedded engine", "goal", "measured", "", *(["Inngest server"] if engine.SERVER else []))
    with tempfile.TemporaryDirectory() as name:
        for title, goal, (ours, *others) in engine.run(Path(name)):
            verdict = "" if ours.reached is None else _verdict(ours.reached)
            table.add_row(title, goal, ours.shown, verdict, *(other.shown for other in others))
    out.print(table)


ALL = {
    "requests": _requests,
    "startup": _startup,
    "latency": _latency,
    "due": _due,
    "stream": _stream,
    "messaging": _messaging,
    "mail": _mail,
    "approvals": _approvals,
    "engine": _engine,
}


def main(names: Sequence[str]) -> None:
    """Measure what is named, else everything."""
    kernel_logging.configure(Settings(log_level="error"))
    logging.getLogger("riveredge_engine").setLevel(logging.ERROR)
    for name in names or ALL:
        ALL[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
