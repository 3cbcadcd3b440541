"""Rows of flow control: keys used once, rates, debounces and open batches."""

from __future__ import annotations

from .base import Database, Tx


def use_once(tx: Tx, function_id: str, value: str, *, now: int, expires_at: int) -> bool:
    """Use a key; False if it was used and has not expired."""
    return bool(
        tx.run(
            "INSERT INTO once_keys (function_id, value, expires_at) VALUES (?, ?, ?)"
            " ON CONFLICT (function_id, value) DO UPDATE SET expires_at = excluded.expires_at"
            " WHERE once_keys.expires_at <= ?",
            function_id, value, expires_at, now,
        )
    )  # fmt: skip


def arrival(db: Database | Tx, kind: str, function_id: str, value: str) -> float:
    """The theoretical arrival time of a rate; 0 if it is unused."""
    rows = db.rows(
        "SELECT arrival FROM rates WHERE kind = ? AND function_id = ? AND value = ?", kind, function_id, value
    )
    return float(rows[0][0]) if rows else 0.0


def save_arrival(tx: Tx, kind: str, function_id: str, value: str, arrival_ms: float) -> None:
    tx.run(
        "INSERT INTO rates (kind, function_id, value, arrival) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kind, function_id, value) DO UPDATE SET arrival = excluded.arrival",
        kind, function_id, value, arrival_ms,
    )  # fmt: skip


def debounce(tx: Tx, function_id: str, value: str) -> tuple[str, int] | None:
    """The waiting event of a debounce and the latest instant it may wait for; None if none waits."""
    rows = tx.rows("SELECT event_id, latest FROM debounces WHERE function_id = ? AND value = ?", function_id, value)
    return (rows[0][0], rows[0][1]) if rows else None


def save_debounce(tx: Tx, function_id: str, value: str, event_id: str, latest: int) -> None:
    tx.run(
        "INSERT INTO debounces (function_id, value, event_id, latest) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (function_id, value) DO UPDATE SET event_id = excluded.event_id",
        function_id, value, event_id, latest,
    )  # fmt: skip


def end_debounce(tx: Tx, function_id: str, value: str) -> None:
    tx.run("DELETE FROM debounces WHERE function_id = ? AND value = ?", function_id, value)


def open_batch(tx: Tx, function_id: str, value: str) -> tuple[str, int] | None:
    """The id of the batch that is being filled and how many events it has."""
    rows = tx.rows(
        "SELECT id, count(*) FROM batches WHERE function_id = ? AND value = ? GROUP BY id", function_id, value
    )
    return (rows[0][0], rows[0][1]) if rows else None


def add_to_batch(tx: Tx, batch_id: str, position: int, *, function_id: str, value: str, event_id: str) -> None:
    tx.run(
        "INSERT INTO batches (id, position, function_id, value, event_id) VALUES (?, ?, ?, ?, ?)",
        batch_id, position, function_id, value, event_id,
    )  # fmt: skip


def close_batch(tx: Tx, batch_id: str) -> list[str]:
    """End a batch; the ids of its events in their order."""
    ids = [row[0] for row in tx.rows("SELECT event_id FROM batches WHERE id = ? ORDER BY position", batch_id)]
    tx.run("DELETE FROM batches WHERE id = ?", batch_id)
    return ids


def expire(tx: Tx, now: int) -> None:
    """Forget keys and rates that have no effect any more."""
    tx.run("DELETE FROM once_keys WHERE expires_at <= ?", now)
    tx.run("DELETE FROM rates WHERE arrival <= ?", now)
