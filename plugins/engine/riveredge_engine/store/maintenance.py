"""Removing rows: what has aged, and, for tests, everything."""

from __future__ import annotations

from .base import Tx

_FORGOTTEN = ("events", "runs", "run_events", "steps", "queue", "pauses", "once_keys", "rates", "debounces", "batches")
_CHUNK = 500


def forget(tx: Tx) -> None:
    """Delete everything but the registrations."""
    for table in _FORGOTTEN:
        tx.run(f"DELETE FROM {table}")


def drop_ended_runs(tx: Tx, before: int) -> int:
    """Delete runs that ended before an instant, with their steps; at most a chunk. How many there were."""
    ids = [
        row[0]
        for row in tx.rows(
            "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?", before, _CHUNK
        )
    ]
    for run_id in ids:
        tx.run("DELETE FROM steps WHERE run_id = ?", run_id)
        tx.run("DELETE FROM run_events WHERE run_id = ?", run_id)
        tx.run("DELETE FROM runs WHERE id = ?", run_id)
    return len(ids)


def drop_old_events(tx: Tx, before: int) -> int:
    """Delete events received before an instant that no run needs any more; at most a chunk. How many there were."""
    return tx.run(
        "DELETE FROM events WHERE id IN (SELECT events.id FROM events LEFT JOIN run_events ON"
        " run_events.event_id = events.id WHERE events.received_at < ? AND run_events.run_id IS NULL LIMIT ?)",
        before,
        _CHUNK,
    )
