"""Rows of cancellations in bulk."""

# ruff: noqa: S608 - what is put into statements are constants of this module, never values

from __future__ import annotations

from ..models import Cancellation
from .base import Database, Tx

_COLUMNS = "id, function_id, since, until, condition, created_at"


def insert(tx: Tx, cancellation: Cancellation) -> None:
    tx.run(f"INSERT INTO cancellations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", *cancellation)


def get(db: Database | Tx, cancellation_id: str) -> Cancellation | None:
    rows = db.rows(f"SELECT {_COLUMNS} FROM cancellations WHERE id = ?", cancellation_id)
    return Cancellation(*rows[0]) if rows else None


def page(db: Database, *, before_id: str | None, limit: int) -> list[Cancellation]:
    """The newest first, older than `before_id`."""
    older = "" if before_id is None else "WHERE id < ?"
    values = [limit] if before_id is None else [before_id, limit]
    rows = db.rows(f"SELECT {_COLUMNS} FROM cancellations {older} ORDER BY id DESC LIMIT ?", *values)
    return [Cancellation(*row) for row in rows]


def standing(tx: Tx, function_id: str, now: int) -> list[Cancellation]:
    """Those that a run created now falls under, but for their conditions."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM cancellations WHERE function_id = ? AND until >= ? AND since <= ?",
        function_id, now, now,
    )  # fmt: skip
    return [Cancellation(*row) for row in rows]


def until_at_most(db: Database | Tx) -> int:
    """The last instant that a cancellation reaches to; 0 without any."""
    return int(db.rows("SELECT coalesce(max(until), 0) FROM cancellations")[0][0])


def drop(tx: Tx, cancellation_id: str) -> bool:
    return bool(tx.run("DELETE FROM cancellations WHERE id = ?", cancellation_id))


def drop_old(tx: Tx, before: int) -> None:
    """Forget what was over before an instant."""
    tx.run("DELETE FROM cancellations WHERE until < ? AND created_at < ?", before, before)
