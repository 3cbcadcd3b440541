"""Removing rows: what has aged, and, for tests, everything."""

from __future__ import annotations

from .base import Tx

_FORGOTTEN = (
    "events", "runs", "run_events", "steps", "queue", "pauses", "once_keys", "rates", "debounces", "batches",
    "cancellations",
)  # fmt: skip
_CHUNK = 500


def forget(tx: Tx) -> None:
    """Delete everything but the registrations."""
    for table in _FORGOTTEN:
        tx.run(f"DELETE FROM {table}")  # noqa: S608 - the names are the constants above


def drop_ended_runs(tx: Tx, before: int) -> int:
    """Delete runs that ended before an instant, with their steps; at most a chunk. How many there were."""
    sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"
    return _drop_runs(tx, [row[0] for row in tx.rows(sql, before, _CHUNK)])


def drop_surplus_runs(tx: Tx, keep: int) -> int:
    """Delete the ended runs beyond the newest `keep`; at most a chunk. How many there were."""
    sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ? OFFSET ?"
    return _drop_runs(tx, [row[0] for row in tx.rows(sql, _CHUNK, keep)])


def _drop_runs(tx: Tx, ids: list[str]) -> int:
    for run_id in ids:
        tx.run("DELETE FROM steps WHERE run_id = ?", run_id)
        tx.run("DELETE FROM run_events WHERE run_id = ?", run_id)
        tx.run("DELETE FROM runs WHERE id = ?", run_id)
    return len(ids)


def drop_old_events(tx: Tx, before: int) -> int:
    """Delete events received before an instant that nothing needs any more; at most a chunk. How many there were."""
    return tx.run(
        "DELETE FROM events WHERE id IN (SELECT events.id FROM events WHERE events.received_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM run_events WHERE run_events.event_id = events.id)"
        " AND NOT EXISTS (SELECT 1 FROM debounces WHERE debounces.event_id = events.id)"
        " AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.event_id = events.id) LIMIT ?)",
        before,
        _CHUNK,
    )
