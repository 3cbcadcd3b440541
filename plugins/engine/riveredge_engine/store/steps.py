"""Rows of steps: planned when the app reports them, done once their memo is stored."""

from __future__ import annotations

from ..models import Memo, Step
from .base import Database, Tx


def plan(tx: Tx, run_id: str, hash_: str, *, op: str, name: str, at: int) -> bool:
    """Note a step that will finish later; False if the run knows it already."""
    return bool(
        tx.run(
            "INSERT INTO steps (run_id, hash, op, name, done, at) VALUES (?, ?, ?, ?, 0, ?)"
            " ON CONFLICT (run_id, hash) DO NOTHING",
            run_id, hash_, op, name, at,
        )
    )  # fmt: skip


def finish(tx: Tx, run_id: str, hash_: str, *, op: str, name: str, memo: str, at: int) -> bool:
    """Store a step's memo; False if one is stored already, which is then kept."""
    return bool(
        tx.run(
            "INSERT INTO steps (run_id, hash, op, name, done, position, memo, at) VALUES"
            " (?, ?, ?, ?, 1, (SELECT coalesce(max(position), -1) + 1 FROM steps WHERE run_id = ?), ?, ?)"
            " ON CONFLICT (run_id, hash) DO UPDATE SET done = 1, position = excluded.position, memo = excluded.memo,"
            " at = excluded.at WHERE steps.done = 0",
            run_id, hash_, op, name, run_id, memo, at,
        )
    )  # fmt: skip


def finish_planned(tx: Tx, run_id: str, hash_: str, memo: str, at: int) -> bool:
    """Store the memo of a planned step; False if it is unknown or done."""
    return bool(
        tx.run(
            "UPDATE steps SET done = 1, memo = ?, at = ?,"
            " position = (SELECT coalesce(max(s.position), -1) + 1 FROM steps s WHERE s.run_id = ?)"
            " WHERE run_id = ? AND hash = ? AND done = 0",
            memo, at, run_id, run_id, hash_,
        )
    )  # fmt: skip


def memos(db: Database | Tx, run_id: str) -> list[Memo]:
    """The finished steps in the order they finished."""
    rows = db.rows("SELECT hash, memo FROM steps WHERE run_id = ? AND done = 1 ORDER BY position", run_id)
    return [Memo(*row) for row in rows]


def counts(db: Database | Tx, run_id: str) -> tuple[int, int]:
    """How many steps of a run are pending and how many are done."""
    done, total = db.rows("SELECT coalesce(sum(done), 0), count(*) FROM steps WHERE run_id = ?", run_id)[0]
    return total - done, done


def of_run(db: Database, run_id: str) -> list[Step]:
    """All steps of a run, finished ones first in their order."""
    rows = db.rows(
        "SELECT hash, op, name, done, memo, at FROM steps WHERE run_id = ? ORDER BY done DESC, position, at, hash",
        run_id,
    )
    return [Step(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]


def memo_of(db: Database, run_id: str, hash_: str) -> str | None:
    rows = db.rows("SELECT memo FROM steps WHERE run_id = ? AND hash = ?", run_id, hash_)
    return rows[0][0] if rows else None
