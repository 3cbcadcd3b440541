"""Reading: events, runs and functions, in the shapes of Inngest's REST API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..clock import iso, parse_iso
from ..errors import EngineError
from ..models import Event, Run, RunStatus
from ..store import events as event_rows
from ..store import queue as queue_rows
from ..store import runs as run_rows
from ..store import steps as step_rows

if TYPE_CHECKING:
    from ..engine import Engine

_MAX_LIMIT = 200


def _data(engine: Engine, data: Any) -> Response:
    now = iso(engine.core.now())
    return JSONResponse({"data": data, "metadata": {"fetched_at": now, "cached_until": now}})


def _find(engine: Engine, request: Request) -> Run:
    found = run_rows.get(engine.core.db, request.path_params["run_id"])
    if found is None:
        raise EngineError("there is no such run", 404)
    return found


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "run_started_at": iso(run.started_at or run.queued_at),
        "function_id": run.function_id,
        "function_version": run.function_version,
        "event_id": run.event_id,
        "status": str(run.status),
        "ended_at": None if run.ended_at is None else iso(run.ended_at),
        "output": None if run.output is None else json.loads(run.output),
    }


def _event(event: Event) -> dict[str, Any]:
    body = event.body
    return {
        "internal_id": event.id,
        "id": body.get("id"),
        "name": event.name,
        "data": body.get("data"),
        "ts": event.ts,
        "received_at": iso(event.received_at),
    }


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "20")
    if not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise EngineError(f"limit is a number from 1 to {_MAX_LIMIT}")
    return int(text)


def _instant(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return parse_iso(text)
    except ValueError:
        raise EngineError(f"{name} is an instant such as 2026-11-23T08:00:00Z") from None


async def actions(engine: Engine, request: Request) -> Response:
    """The finished steps of a run, as calls carry them; for runs whose state is too large for a call."""
    found = _running(engine, request)
    memos = step_rows.memos(engine.core.db, found.id)
    return Response("{" + ",".join(f'"{memo.hash}":{memo.json}' for memo in memos) + "}", media_type="application/json")


async def batch(engine: Engine, request: Request) -> Response:
    """The events of a run, as calls carry them."""
    bodies = event_rows.bodies_of_run(engine.core.db, _running(engine, request).id)
    return Response("[" + ",".join(bodies) + "]", media_type="application/json")


def _running(engine: Engine, request: Request) -> Run:
    found = run_rows.running(engine.core.db, request.path_params["run_id"])
    if found is None:
        raise EngineError("the run is gone", 410)
    return found


async def events(engine: Engine, request: Request) -> Response:
    """Events, the newest first."""
    query = request.query_params
    found = event_rows.page(
        engine.core.db,
        name=query.get("name"),
        before_id=query.get("cursor"),
        since=_instant(request, "received_after"),
        until=_instant(request, "received_before"),
        limit=_limit(request),
    )
    return _data(engine, [_event(event) for event in found])


async def event(engine: Engine, request: Request) -> Response:
    """One event."""
    found = event_rows.get(engine.core.db, request.path_params["event_id"])
    if found is None:
        raise EngineError("there is no such event", 404)
    return _data(engine, _event(found))


async def event_runs(engine: Engine, request: Request) -> Response:
    """The runs that an event started."""
    found = run_rows.of_event(engine.core.db, request.path_params["event_id"])
    return _data(engine, [_run(run) for run in found])


async def runs(engine: Engine, request: Request) -> Response:
    """Runs, the newest first."""
    query = request.query_params
    found = run_rows.page(
        engine.core.db,
        status=query.get("status"),
        function_id=query.get("function_id"),
        before_id=query.get("cursor"),
        limit=_limit(request),
    )
    return _data(engine, [_run(run) for run in found])


async def run(engine: Engine, request: Request) -> Response:
    """One run."""
    return _data(engine, _run(_find(engine, request)))


async def cancel(engine: Engine, request: Request) -> Response:
    """Cancel a run; one that has ended stays as it is."""
    found = _find(engine, request)
    if found.status == RunStatus.RUNNING:
        await engine.cancel(found.id)
    return _data(engine, _run(_find(engine, request)))


async def jobs(engine: Engine, request: Request) -> Response:
    """What is queued for a run."""
    found = _find(engine, request)
    return _data(
        engine,
        [
            {"job_id": item.job, "at": iso(item.due), "kind": item.kind, "attempt": item.attempt}
            for item in queue_rows.of_run(engine.core.db, found.id)
        ],
    )


async def functions(engine: Engine, request: Request) -> Response:
    """The live functions of an app, named by its name or id."""
    wanted = request.path_params["app"]
    app = next((a for a in engine.core.registry.apps.values() if wanted in {a.id, a.name}), None)
    if app is None:
        raise EngineError("there is no such app", 404)
    found = engine.core.registry.of_app(app.id)
    return _data(
        engine,
        [{"id": f.id, "slug": f.slug, "name": f.config.name, "version": f.version} for f in found],
    )
