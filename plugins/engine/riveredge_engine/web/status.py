"""Health, metrics and the stream of changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ..core import Core
from ..store import runs as run_rows
from .state import authorised, state_of


async def health(request: Request) -> Response:
    """200 while the engine takes events in."""
    core = state_of(request).core
    return JSONResponse({"status": 200, "message": "OK", "apps": len(core.registry.apps)})


async def metrics(request: Request) -> Response:
    """Prometheus's text format."""
    state = authorised(request)
    lines = ["# TYPE riveredge_engine_run_changes_total counter"]
    for status, count in sorted(state.core.changes.counts.items()):
        lines.append(f'riveredge_engine_run_changes_total{{status="{status.lower()}"}} {count}')
    lines.append("# TYPE riveredge_engine_runs gauge")
    for status, count in sorted(run_rows.counts(state.core.db).items()):
        lines.append(f'riveredge_engine_runs{{status="{status.lower()}"}} {count}')
    lines.append("# TYPE riveredge_engine_calls_total counter")
    for answer, count in sorted(state.engine.answers.items()):
        lines.append(f'riveredge_engine_calls_total{{answer="{answer or "none"}"}} {count}')
    delay, begun = state.engine.delay
    lines += [
        "# TYPE riveredge_engine_call_delay_seconds summary",
        f"riveredge_engine_call_delay_seconds_sum {delay:.3f}",
        f"riveredge_engine_call_delay_seconds_count {begun}",
        "# TYPE riveredge_engine_events_total counter",
        f"riveredge_engine_events_total {state.core.recent.number}",
        "# TYPE riveredge_engine_queue_items gauge",
        f"riveredge_engine_queue_items {state.engine.queued}",
        "# TYPE riveredge_engine_calls_under_way gauge",
        f"riveredge_engine_calls_under_way {state.engine.under_way}",
        "# TYPE riveredge_engine_workers gauge",
        f"riveredge_engine_workers {state.engine.gateway.workers}",
        "# TYPE riveredge_engine_functions gauge",
        f"riveredge_engine_functions {len(state.core.registry.live())}",
    ]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


async def changes(request: Request) -> Response:
    """Every change of a run from now on, one JSON object a line."""
    return StreamingResponse(_lines(authorised(request).core), media_type="application/x-ndjson")


async def _lines(core: Core) -> AsyncIterator[str]:
    async for change in core.changes.listen():
        yield json.dumps(change._asdict()) + "\n"
