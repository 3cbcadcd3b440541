"""Losing everything but the registrations."""

from __future__ import annotations

from .base import Tx

_TABLES = ("events", "runs", "run_events", "steps", "queue", "pauses", "once_keys", "rates", "debounces", "batches")


def wipe(tx: Tx) -> None:
    """Delete all events, runs and what belongs to them."""
    for table in _TABLES:
        tx.run(f"DELETE FROM {table}")  # noqa: S608 - the names are the constants above
