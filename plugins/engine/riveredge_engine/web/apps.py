"""Registration, and reading what is registered."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .. import runs, starts
from ..clock import iso
from ..config import EventTrigger
from ..errors import EngineError
from ..events import build_events, check_events
from ..registration import ask, register
from ..registry import Function
from ..store.registry import AppRow
from . import answers
from .bodies import json_body
from .state import authorised, state_of


async def register_app(request: Request) -> Response:
    """An app sends its functions."""
    state = authorised(request)
    expected = request.headers.get("x-inngest-expected-server-kind")
    kind = "dev" if state.core.options.signing_key is None else "cloud"
    if expected and expected != kind:
        raise EngineError(f"the app expects a server in {expected} mode, and this one is in {kind} mode")
    done = await register(state.core, await json_body(request))
    return JSONResponse({"ok": True, "modified": done.modified, "sync_id": done.sync_id, "app_id": done.app_id})


async def sync_app(request: Request) -> Response:
    """Ask the app at an address (`url` in the body) for its functions."""
    state = authorised(request)
    url = (await json_body(request)).get("url")
    if not isinstance(url, str) or not url:
        raise EngineError("url is a text")
    await ask(state.core, state.engine.faults, url)
    return JSONResponse({"ok": True})


async def invoke(request: Request) -> Response:
    """Start a function by its full id, whatever its triggers are; `data`, `user` and `v` become those of its event."""
    core, body = authorised(request).core, await json_body(request)
    function = core.registry.by_slug(request.path_params["slug"])
    if function is None:
        raise EngineError("function not found", 404)
    raw: dict[str, Any] = {key: body[key] for key in ("data", "user", "v") if key in body} | {"name": "invoke"}
    sent = build_events(check_events([raw]), now=core.now(), ulids=core.ulids, seed=None)[0]
    event = replace(sent, name=runs.INVOKED, body=sent.body | {"name": runs.INVOKED})
    refused = await core.db.write(lambda tx: starts.invoke(core, tx, function, event))
    if refused is not None:
        raise EngineError(f"the function did not run: {refused}", 409)
    return JSONResponse({"id": event.id, "status": 200})


async def probe(request: Request) -> Response:
    """How SDKs find out that a server for development is there; with keys, this is none."""
    state = state_of(request)
    if state.core.options.signing_key is not None:
        raise EngineError("not found", 404)
    functions = [_function(function) for function in state.core.registry.live()]
    return JSONResponse({"version": version("riveredge-engine"), "functions": functions, "handlers": []})


async def list_apps(request: Request) -> Response:
    registry = authorised(request).core.registry
    return answers.page([_app(app, len(registry.of_app(app.id))) for app in registry.apps.values()])


async def functions_of_app(request: Request) -> Response:
    registry = authorised(request).core.registry
    wanted = request.path_params["app"]
    app = next((app for app in registry.apps.values() if wanted in {app.id, app.name}), None)
    if app is None:
        raise EngineError("app not found", 404)
    return answers.page([_function(function) for function in registry.of_app(app.id)])


def _app(app: AppRow, functions: int) -> dict[str, Any]:
    return {
        "id": app.id,
        "name": app.name,
        "url": app.url,
        "sdk": app.sdk,
        "framework": app.framework,
        "synced_at": iso(app.synced_at),
        "functions": functions,
    }


def _function(function: Function) -> dict[str, Any]:
    config = function.config
    triggers = [
        {"event": trigger.event, "expression": trigger.expression}
        if isinstance(trigger, EventTrigger)
        else {"cron": trigger.cron}
        for trigger in config.triggers
    ]
    return {
        "id": function.id,
        "slug": function.slug,
        "name": config.name,
        "version": function.version,
        "url": config.url,
        "triggers": triggers,
    }
