"""The state of a store as plain records, for reports of problems.

What events, steps and runs contain stays out unless it is asked for: it is the users' data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .store import Database

_TABLES = {
    "app": "SELECT id, name, url, sdk, framework, synced_at FROM apps",
    "function": "SELECT id, app_id, slug, version, archived, config FROM functions",
    "queued": "SELECT id, job, kind, due, run_id, function_id, step, attempt FROM queue ORDER BY due, id",
    "pause": "SELECT id, kind, run_id, step, event_name, condition, expires_at FROM pauses ORDER BY id",
    "cancellation": "SELECT id, function_id, since, until, condition, created_at FROM cancellations ORDER BY id",
    "run": (
        "SELECT id, function_id, function_version, event_id, status, queued_at, started_at, ended_at, planned, racing,"
        " state_size, batch, invoked, output, last_error FROM runs ORDER BY id"
    ),
    "step": "SELECT run_id, hash, op, name, done, position, at, memo FROM steps ORDER BY run_id, position",
    "event": (
        "SELECT events.id, name, external_id, ts, received_at, body, run_events.run_id FROM events"
        " LEFT JOIN run_events ON run_events.event_id = events.id ORDER BY events.id"
    ),
}
_OF_RUN = {"queued": "run_id", "pause": "run_id", "run": "id", "step": "run_id", "event": "run_id"}
_CONTENTS = frozenset({"output", "last_error", "memo", "body"})


def records(database: Database, *, run_id: str | None = None, contents: bool = False) -> Iterator[dict[str, Any]]:
    """Everything in a store, or everything of one run; each record says in `record` what it is."""
    for kind, sql in _TABLES.items():
        names = _names(sql)
        for row in database.rows(sql):
            record = dict(zip(names, row, strict=True))
            if run_id is not None and record.get(_OF_RUN.get(kind, "")) != run_id:
                continue
            yield {"record": kind, **{name: _value(name, record[name], contents) for name in names}}


def _names(sql: str) -> list[str]:
    columns = sql.removeprefix("SELECT ").partition(" FROM ")[0]
    return [column.strip().rpartition(".")[2] for column in columns.split(",")]


def _value(name: str, value: Any, contents: bool) -> Any:
    if value is None or name not in _CONTENTS | {"config"}:
        return value
    if name in _CONTENTS and not contents:
        return f"({len(value)} characters)"
    return json.loads(value)
