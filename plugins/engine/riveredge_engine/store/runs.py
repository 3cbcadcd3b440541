"""Rows of runs and their events."""

# ruff: noqa: S608 - what is put into statements are constants of this module, never values

from __future__ import annotations

import json
from collections.abc import Sequence

from ..models import Event, Run, RunKeys, RunStatus
from .base import Database, Row, Tx

_COLUMNS = (
    "id, function_id, function_version, event_id, status, queued_at, started_at, ended_at, output, keys, singleton,"
    " planned, racing, state_size, batch, invoked, last_error"
)


def insert(tx: Tx, run: Run, events: Sequence[Event]) -> None:
    tx.run(
        f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        run.id, run.function_id, run.function_version, run.event_id, run.status, run.queued_at, run.started_at,
        run.ended_at, run.output, json.dumps(run.keys), run.singleton, int(run.planned), int(run.racing),
        run.state_size, int(run.batch), int(run.invoked), run.last_error,
    )  # fmt: skip
    tx.many(
        "INSERT INTO run_events (event_id, run_id, position) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(event.id, run.id, position) for position, event in enumerate(events)],
    )


def get(db: Database | Tx, run_id: str) -> Run | None:
    rows = db.rows(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", run_id)
    return _run(rows[0]) if rows else None


def running(db: Database | Tx, run_id: str) -> Run | None:
    """The run unless it is unknown or has ended."""
    run = get(db, run_id)
    return run if run is not None and run.status == RunStatus.RUNNING else None


def of_event(db: Database, event_id: str) -> list[Run]:
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM runs WHERE id IN (SELECT run_id FROM run_events WHERE event_id = ?) ORDER BY id",
        event_id,
    )
    return [_run(row) for row in rows]


def page(db: Database, *, status: str | None, function_id: str | None, before_id: str | None, limit: int) -> list[Run]:
    """The newest runs first."""
    conditions, values = ["1 = 1"], list[object]()
    for condition, value in (("status = ?", status), ("function_id = ?", function_id), ("id < ?", before_id)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    sql = f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    return [_run(row) for row in db.rows(sql, *values, limit)]


def running_of_function(tx: Database | Tx, function_id: str, singleton: str | None = None) -> list[str]:
    """Ids of the running runs of a function, of one singleton key if given."""
    sql = "SELECT id FROM runs WHERE status = 'Running' AND function_id = ?"
    if singleton is None:
        return [row[0] for row in tx.rows(sql, function_id)]
    return [row[0] for row in tx.rows(sql + " AND singleton = ?", function_id, singleton)]


def save_progress(tx: Tx, run: Run) -> None:
    tx.run(
        "UPDATE runs SET started_at = ?, planned = ?, racing = ?, state_size = ?, last_error = ? WHERE id = ?",
        run.started_at, int(run.planned), int(run.racing), run.state_size, run.last_error, run.id,
    )  # fmt: skip


def end(tx: Tx, run_id: str, status: str, output: str | None, ended_at: int) -> bool:
    """End a running run; False if it has ended already. Status and output appear together."""
    return bool(
        tx.run(
            "UPDATE runs SET status = ?, output = ?, ended_at = ?, started_at = coalesce(started_at, ?)"
            " WHERE id = ? AND status = 'Running'",
            status, output, ended_at, ended_at, run_id,
        )
    )  # fmt: skip


def counts(db: Database) -> dict[str, int]:
    return dict(db.rows("SELECT status, count(*) FROM runs GROUP BY status"))


def _run(row: Row) -> Run:
    concurrency, throttle, priority = json.loads(row[9])
    return Run(
        id=row[0], function_id=row[1], function_version=row[2], event_id=row[3], status=row[4], queued_at=row[5],
        started_at=row[6], ended_at=row[7], output=row[8], keys=RunKeys(tuple(concurrency), throttle, priority),
        singleton=row[10], planned=bool(row[11]), racing=bool(row[12]), state_size=row[13], batch=bool(row[14]),
        invoked=bool(row[15]), last_error=row[16],
    )  # fmt: skip
