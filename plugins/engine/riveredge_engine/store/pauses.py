"""Rows of runs that events wake or cancel."""

# ruff: noqa: S608 - what is put into statements are constants of this module, never values

from __future__ import annotations

from ..models import Pause
from .base import Database, Tx

_COLUMNS = "id, kind, run_id, step, event_name, condition, term_path, term_value, expires_at"


def insert(tx: Tx, pause: Pause) -> None:
    tx.run(
        f"INSERT INTO pauses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        pause.id, pause.kind, pause.run_id, pause.step, pause.event_name, pause.condition, pause.term_path,
        pause.term_value, pause.expires_at,
    )  # fmt: skip


def consume(tx: Tx, pause_id: int) -> bool:
    """Take a pause; of an event and a timeout exactly one succeeds."""
    return bool(tx.run("DELETE FROM pauses WHERE id = ?", pause_id))


def consume_step(tx: Tx, run_id: str, step: str) -> bool:
    return bool(tx.run("DELETE FROM pauses WHERE run_id = ? AND step = ?", run_id, step))


def of_step(tx: Tx, run_id: str, step: str) -> Pause | None:
    rows = tx.rows(f"SELECT {_COLUMNS} FROM pauses WHERE run_id = ? AND step = ?", run_id, step)
    return Pause(*rows[0]) if rows else None


def drop_run(tx: Tx, run_id: str) -> None:
    tx.run("DELETE FROM pauses WHERE run_id = ?", run_id)


def term_paths(tx: Tx, event_name: str) -> list[str]:
    """The distinct paths by which pauses on an event are found; empty for those that are not."""
    return [row[0] for row in tx.rows("SELECT DISTINCT term_path FROM pauses WHERE event_name = ?", event_name)]


def candidates(tx: Tx, event_name: str, term_path: str, term_value: str) -> list[Pause]:
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM pauses WHERE event_name = ? AND term_path = ? AND term_value = ? ORDER BY id",
        event_name, term_path, term_value,
    )  # fmt: skip
    return [Pause(*row) for row in rows]


def event_names(db: Database) -> set[str]:
    return {row[0] for row in db.rows("SELECT DISTINCT event_name FROM pauses")}


def last_id(db: Database) -> int:
    return int(db.rows("SELECT coalesce(max(id), 0) FROM pauses")[0][0])
