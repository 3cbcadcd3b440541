"""The routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from ..errors import EngineError
from . import apps, cancellations, connect, events, runs, status, traces
from .state import WebState


def create_app(state: WebState) -> Starlette:
    """The ASGI app; it answers 503 while the engine is not running."""
    app = Starlette(
        routes=[
            Route("/health", status.health, methods=["GET"]),
            Route("/metrics", status.metrics, methods=["GET"]),
            Route("/e/{key}", events.send, methods=["POST"]),
            Route("/dev", apps.probe, methods=["GET"]),
            Route("/invoke/{slug}", apps.invoke, methods=["POST"]),
            Route("/fn/register", apps.register_app, methods=["POST", "PUT"]),
            Route("/v0/runs/{run_id}/batch", runs.batch, methods=["GET"]),
            Route("/v1/checkpoint/{run_id}/async", runs.checkpoint, methods=["POST"]),
            Route("/v0/runs/{run_id}/actions", runs.actions, methods=["GET"]),
            WebSocketRoute(connect.PATH, connect.socket),
            Route("/v0/connect/start", connect.start, methods=["POST"]),
            Route("/v0/connect/flush", connect.flush, methods=["POST"]),
            Route("/v0/gql", traces.query, methods=["POST"]),
            Route("/v1/apps", apps.list_apps, methods=["GET"]),
            Route("/v1/apps/sync", apps.sync_app, methods=["POST"]),
            Route("/v1/apps/{app}/functions", apps.functions_of_app, methods=["GET"]),
            Route("/v1/events", events.list_events, methods=["GET"]),
            Route("/v1/events/{event_id}", events.get_event, methods=["GET"]),
            Route("/v1/events/{event_id}/runs", events.runs_of_event, methods=["GET"]),
            Route("/v1/runs", runs.list_runs, methods=["GET"]),
            Route("/v1/runs/changes", status.changes, methods=["GET"]),
            Route("/v1/runs/{run_id}", runs.get_run, methods=["GET"]),
            Route("/v1/runs/{run_id}", runs.cancel, methods=["DELETE"]),
            Route("/v1/runs/{run_id}/cancel", runs.cancel, methods=["POST"]),
            Route("/v1/runs/{run_id}/steps", runs.steps_of_run, methods=["GET"]),
            Route("/v1/runs/{run_id}/jobs", runs.jobs_of_run, methods=["GET"]),
            Route("/v1/cancellations", cancellations.create, methods=["POST"]),
            Route("/v1/cancellations", cancellations.list_all, methods=["GET"]),
            Route("/v1/cancellations/{cancellation_id}", cancellations.get, methods=["GET"]),
            Route("/v1/cancellations/{cancellation_id}", cancellations.delete, methods=["DELETE"]),
            Route("/v1/signals", runs.send_signal, methods=["POST"]),
        ],
        exception_handlers={EngineError: _refuse, HTTPException: _refuse_http},
    )
    app.state.engine = state
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    """A refusal reads the same for every client: the event API's clients look at `error`, the others at the status."""
    if not isinstance(error, EngineError):
        raise error
    return JSONResponse({"error": error.message, "status": error.status}, status_code=error.status)


async def _refuse_http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail, "status": error.status_code}, status_code=error.status_code)
