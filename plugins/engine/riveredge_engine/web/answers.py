"""How records read over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse

from ..clock import iso
from ..core import Core
from ..models import Event, Item, Run, Step

_ENVIRONMENT = "00000000-0000-4000-b000-000000000000"


def page(data: Any, status: int = 200) -> JSONResponse:
    """An answer as the REST API wraps it."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return JSONResponse({"data": data, "metadata": {"fetched_at": now, "cached_until": None}}, status_code=status)


def time(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else iso(instant_ms)


def event(record: Event) -> dict[str, Any]:
    return {
        "internal_id": record.id,
        "id": record.body.get("id"),
        "name": record.name,
        "data": record.body.get("data"),
        "user": record.body.get("user"),
        "ts": record.ts,
        "received_at": iso(record.received_at),
    }


def run(core: Core, record: Run) -> dict[str, Any]:
    function = core.registry.functions.get(record.function_id)
    return {
        "run_id": record.id,
        "run_started_at": time(record.started_at or record.queued_at),
        "function_id": record.function_id,
        "function_slug": function.slug if function else None,
        "function_version": record.function_version,
        "environment_id": _ENVIRONMENT,
        "event_id": record.event_id,
        "status": record.status,
        "queued_at": time(record.queued_at),
        "ended_at": time(record.ended_at),
        "output": None if record.output is None else json.loads(record.output),
        "last_error": None if record.last_error is None else json.loads(record.last_error),
    }


def step(record: Step) -> dict[str, Any]:
    return {
        "id": record.hash,
        "name": record.name,
        "op": record.op,
        "status": "Completed" if record.done else "Pending",
        "at": iso(record.at),
        "output": None if record.memo is None else json.loads(record.memo),
    }


def job(position: int, record: Item) -> dict[str, Any]:
    return {
        "JobID": str(record.id),
        "at": iso(record.due),
        "position": position,
        "kind": record.kind,
        "attempt": record.attempt,
        "Raw": {"step": record.step, "function_id": record.function_id},
    }
