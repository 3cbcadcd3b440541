"""Rows of events."""

# ruff: noqa: S608 - what is put into statements are constants of this module, never values

from __future__ import annotations

import json

from ..models import Event
from .base import Database, Row, Tx

_COLUMNS = "events.id, events.name, events.external_id, events.ts, events.received_at, events.body"


def insert(tx: Tx, event: Event) -> bool:
    """Store an event; False if this id is stored already, which is how a repeated request shows."""
    body = json.dumps(event.body, separators=(",", ":"))
    return bool(
        tx.run(
            "INSERT INTO events (id, name, external_id, ts, received_at, body) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            event.id, event.name, event.external_id, event.ts, event.received_at, body,
        )
    )  # fmt: skip


def get(db: Database | Tx, event_id: str) -> Event | None:
    rows = db.rows(f"SELECT {_COLUMNS} FROM events WHERE id = ?", event_id)
    return _event(rows[0]) if rows else None


def of_run(db: Database | Tx, run_id: str) -> list[Event]:
    """The events of a run in their order: one, or a batch."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM run_events JOIN events ON events.id = run_events.event_id"
        " WHERE run_events.run_id = ? ORDER BY run_events.position",
        run_id,
    )
    return [_event(row) for row in rows]


def bodies_of_run(db: Database | Tx, run_id: str) -> list[str]:
    """The events of a run as JSON texts."""
    rows = db.rows(
        "SELECT events.body FROM run_events JOIN events ON events.id = run_events.event_id"
        " WHERE run_events.run_id = ? ORDER BY run_events.position",
        run_id,
    )
    return [row[0] for row in rows]


def page(
    db: Database, *, name: str | None, before_id: str | None, since: int | None, until: int | None, limit: int
) -> list[Event]:
    """The newest events first, older than `before_id`, received in [since, until]."""
    conditions, values = ["1 = 1"], list[object]()
    for condition, value in (
        ("name = ?", name),
        ("id < ?", before_id),
        ("received_at >= ?", since),
        ("received_at <= ?", until),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    sql = f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    return [_event(row) for row in db.rows(sql, *values, limit)]


def _event(row: Row) -> Event:
    return Event(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))
