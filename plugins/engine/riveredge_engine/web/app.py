"""The HTTP API: events in, registrations in, runs out, and what the SDK fetches of large runs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..errors import EngineError
from ..events import MAX_EVENT_BYTES
from ..registration import register
from ..signing import hash_key
from . import rest

if TYPE_CHECKING:
    from ..engine import Engine

Handler = Callable[["Engine", Request], Awaitable[Response]]

_MAX_BODY = 8 * MAX_EVENT_BYTES


def build_app(engine: Engine) -> ASGIApp:
    """The application of one engine."""

    def route(path: str, handler: Handler, *methods: str, guarded: bool = True) -> Route:
        async def answer(request: Request) -> Response:
            try:
                if guarded:
                    _authorise(engine, request)
                return await handler(engine, request)
            except EngineError as error:
                return JSONResponse({"error": error.message, "status": error.status}, status_code=error.status)

        return Route(path, answer, methods=list(methods))

    return Starlette(
        routes=[
            route("/e/{key}", _events, "POST", guarded=False),
            route("/fn/register", _register, "POST"),
            route("/health", _health, "GET", guarded=False),
            route("/v0/runs/{run_id}/actions", rest.actions, "GET"),
            route("/v0/runs/{run_id}/batch", rest.batch, "GET"),
            route("/v1/events", rest.events, "GET"),
            route("/v1/events/{event_id}", rest.event, "GET"),
            route("/v1/events/{event_id}/runs", rest.event_runs, "GET"),
            route("/v1/runs", rest.runs, "GET"),
            route("/v1/runs/{run_id}", rest.run, "GET"),
            route("/v1/runs/{run_id}", rest.cancel, "DELETE"),
            route("/v1/runs/{run_id}/jobs", rest.jobs, "GET"),
            route("/v1/apps/{app}/functions", rest.functions, "GET"),
        ]
    )


def _authorise(engine: Engine, request: Request) -> None:
    """With a signing key, callers prove that they know it (the SDK sends its hash)."""
    key = engine.core.options.signing_key
    if key is None:
        return
    sent = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(sent.encode(), hash_key(key).encode()):
        raise EngineError("unauthorised: send the hash of the signing key as a bearer token", 401)


async def _body(request: Request) -> bytes:
    """The body, refused while it is still coming in once it is too large."""
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > _MAX_BODY:
            raise EngineError(f"a request has at most {_MAX_BODY} bytes", 413)
        parts.append(part)
    return b"".join(parts)


async def _events(engine: Engine, request: Request) -> Response:
    if engine.event_keys and request.path_params["key"] not in engine.event_keys:
        raise EngineError("unknown event key", 401)
    ids = await engine.send(await _body(request), seed=request.headers.get("x-inngest-event-id-seed"))
    return JSONResponse({"ids": ids, "status": 200})


async def _register(engine: Engine, request: Request) -> Response:
    try:
        payload: Any = json.loads(await _body(request))
    except (ValueError, RecursionError):
        raise EngineError("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise EngineError("the body is no registration")
    return JSONResponse(await register(engine.core, payload))


async def _health(engine: Engine, _request: Request) -> Response:
    return JSONResponse(
        {"status": "ok", "queued": engine.queued, "functions": len(engine.core.registry.live()), "calls": engine.calls}
    )
