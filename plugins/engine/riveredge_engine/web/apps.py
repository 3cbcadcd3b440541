"""Registration, and reading what is registered."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..clock import iso
from ..config import EventTrigger
from ..errors import EngineError
from ..registration import ask, register
from ..registry import Function
from ..store.registry import AppRow
from . import answers
from .runs import json_body
from .state import authorised


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
