"""Rows of what is due, now or later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..models import Item, RunKeys
from .base import Database, Row, Tx

_COLUMNS = (
    "queue.id, queue.job, queue.kind, queue.due, queue.run_id, queue.function_id, queue.step, queue.attempt,"
    " queue.payload, runs.keys"
)
_FROM = "FROM queue LEFT JOIN runs ON runs.id = queue.run_id"
_CHUNK = 500


def insert(tx: Tx, item: Item) -> bool:
    """Queue an item; False if its job is queued already."""
    return bool(
        tx.run(
            "INSERT INTO queue (id, job, kind, due, run_id, function_id, step, attempt, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job) DO NOTHING",
            item.id, item.job, item.kind, item.due, item.run_id, item.function_id, item.step, item.attempt,
            None if item.payload is None else json.dumps(item.payload),
        )
    )  # fmt: skip


def take(tx: Tx, item: Item) -> bool:
    """Remove an item at the attempt it was handed out with; False if somebody else was faster."""
    return bool(tx.run("DELETE FROM queue WHERE id = ? AND attempt = ?", item.id, item.attempt))


def reschedule(tx: Tx, item: Item, *, due: int, attempt: int) -> bool:
    """Try again later; False if the item is gone or was rescheduled already."""
    return bool(
        tx.run(
            "UPDATE queue SET due = ?, attempt = ? WHERE id = ? AND attempt = ?", due, attempt, item.id, item.attempt
        )
    )


def postpone(tx: Tx, job: str, due: int) -> None:
    tx.run("UPDATE queue SET due = ? WHERE job = ?", due, job)


def drop_job(tx: Tx, job: str) -> None:
    tx.run("DELETE FROM queue WHERE job = ?", job)


def drop_run(tx: Tx, run_id: str) -> int:
    """Remove all that is queued for a run; how much it was."""
    return tx.run("DELETE FROM queue WHERE run_id = ?", run_id)


def exists(db: Database | Tx, item: Item) -> bool:
    """Whether an item is still to be done at the attempt it was handed out with."""
    return bool(db.rows("SELECT 1 FROM queue WHERE id = ? AND attempt = ?", item.id, item.attempt))


def is_current(tx: Tx, run_id: str, item_id: int, attempt: int) -> bool:
    """Whether an attempt of a run's item is the one to be done."""
    return bool(tx.rows("SELECT 1 FROM queue WHERE id = ? AND run_id = ? AND attempt = ?", item_id, run_id, attempt))


def load(db: Database, ids: Sequence[int]) -> list[Item]:
    """The items that are still queued, in the order of their due times."""
    rows: list[Row] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        marks = ", ".join("?" * len(chunk))
        rows += db.rows(f"SELECT {_COLUMNS} {_FROM} WHERE queue.id IN ({marks})", *chunk)
    return sorted((_item(row) for row in rows), key=lambda item: (item.due, item.id))


def due_times(db: Database) -> Iterable[tuple[int, int]]:
    """(due, id) of everything queued."""
    return ((row[0], row[1]) for row in db.rows("SELECT due, id FROM queue"))


def of_run(db: Database, run_id: str) -> list[Item]:
    return [
        _item(row) for row in db.rows(f"SELECT {_COLUMNS} {_FROM} WHERE queue.run_id = ? ORDER BY queue.due", run_id)
    ]


def crons(db: Database | Tx) -> dict[str, Item]:
    """The queued ticks by job."""
    rows = db.rows(f"SELECT {_COLUMNS} {_FROM} WHERE queue.kind = 'cron'")
    return {row[1]: _item(row) for row in rows}


def last_id(db: Database) -> int:
    return int(db.rows("SELECT coalesce(max(id), 0) FROM queue")[0][0])


def _item(row: Row) -> Item:
    payload = None if row[8] is None else json.loads(row[8])
    item = Item(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], payload)
    if row[9] is not None:
        concurrency, throttle, priority = json.loads(row[9])
        item.keys = RunKeys(tuple(concurrency), throttle, priority)
    return item
