"""Cancelling many runs at once."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .. import cancellations
from ..clock import iso, parse_iso
from ..core import Core
from ..errors import EngineError
from ..expressions import ExpressionError, compile_expression
from ..models import Cancellation
from ..store import cancellations as rows
from . import answers
from .bodies import json_body
from .events import limit_of
from .state import authorised


async def create(request: Request) -> Response:
    """Cancel the running runs of a function (`app_id`, `function_id`) that were created in a span of time.

    `started_after` and `started_before` are ISO 8601; `if` is an expression over the event that started a run. With a
    `started_before` in the future, runs are cancelled until then as they are created.
    """
    core, body = authorised(request).core, await json_body(request)
    slug = f"{body.get('app_id')}-{body.get('function_id')}" if body.get("app_id") else str(body.get("function_id"))
    function = core.registry.by_slug(slug)
    if function is None:
        raise EngineError("function not found", 404)
    now, condition = core.now(), body.get("if")
    since, until = _instant(body.get("started_after"), 0), _instant(body.get("started_before"), now)
    if since > until:
        raise EngineError("started_after is later than started_before")
    try:
        if condition:
            compile_expression(condition)
    except (ExpressionError, TypeError) as error:
        raise EngineError(f"invalid expression: {error}") from error
    made = Cancellation(core.ulids.new(now), function.id, since, until, condition or None, now)
    count = await cancellations.apply(core, made)
    return answers.page({**_answer(core, made), "cancelled": count}, 201)


async def list_all(request: Request) -> Response:
    """The newest cancellations; `limit` and `cursor` (an id) narrow them."""
    core = authorised(request).core
    found = rows.page(core.db, before_id=request.query_params.get("cursor"), limit=limit_of(request))
    return answers.page([_answer(core, cancellation) for cancellation in found])


async def get(request: Request) -> Response:
    core = authorised(request).core
    found = rows.get(core.db, request.path_params["cancellation_id"])
    if found is None:
        raise EngineError("cancellation not found", 404)
    return answers.page(_answer(core, found))


async def delete(request: Request) -> Response:
    """Let a cancellation reach no further runs; those that it has cancelled stay so."""
    core, cancellation_id = authorised(request).core, request.path_params["cancellation_id"]
    if not await core.db.write(lambda tx: rows.drop(tx, cancellation_id)):
        raise EngineError("cancellation not found", 404)
    return Response(status_code=204)


def _answer(core: Core, cancellation: Cancellation) -> dict[str, Any]:
    function = core.registry.functions.get(cancellation.function_id)
    return {
        "id": cancellation.id,
        "function_id": function.slug if function else cancellation.function_id,
        "started_after": iso(cancellation.since),
        "started_before": iso(cancellation.until),
        "if": cancellation.condition,
        "created_at": iso(cancellation.created_at),
    }


def _instant(text: object, default: int) -> int:
    if not text:
        return default
    try:
        return parse_iso(str(text))
    except (ValueError, OverflowError) as error:
        raise EngineError(f"{text!r} is not an ISO 8601 time") from error
