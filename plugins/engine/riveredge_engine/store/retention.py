"""Deleting what has been kept long enough."""

from __future__ import annotations

from .base import Tx

_OLD_RUNS = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"
_SURPLUS_RUNS = "SELECT id FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ? OFFSET ?"
_OLD_EVENTS = (
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received_at < ?"
    " AND NOT EXISTS (SELECT 1 FROM run_events WHERE run_events.event_id = events.id)"
    " AND NOT EXISTS (SELECT 1 FROM debounces WHERE debounces.event_id = events.id)"
    " AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.event_id = events.id) LIMIT ?)"
)


def delete_runs(tx: Tx, *, ended_before: int, keep: int, at_most: int) -> int:
    """Delete ended runs that are too old, or more than `keep`; how many they were, never more than `at_most`."""
    ids = [row[0] for row in tx.rows(_OLD_RUNS, ended_before, at_most)]
    if len(ids) < at_most:
        known = set(ids)
        surplus = tx.rows(_SURPLUS_RUNS, at_most - len(ids), keep)
        ids += [row[0] for row in surplus if row[0] not in known]
    values = [(run_id,) for run_id in ids]
    for statement in (
        "DELETE FROM steps WHERE run_id = ?",
        "DELETE FROM run_events WHERE run_id = ?",
        "DELETE FROM runs WHERE id = ?",
    ):
        tx.many(statement, values)
    return len(ids)


def delete_events(tx: Tx, *, received_before: int, at_most: int) -> int:
    """Delete old events that no run, debounce or batch needs any more; how many they were."""
    return tx.run(_OLD_EVENTS, received_before, at_most)
