"""Cancelling many runs at once."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from .. import runs
from ..clock import parse_iso
from ..core import Core
from ..errors import EngineError
from ..expressions import ExpressionError, compile_expression, matches
from ..store import Tx
from ..store import events as event_rows
from ..store import runs as run_rows
from . import answers
from .runs import json_body
from .state import authorised

_AT_ONCE = 200


async def create(request: Request) -> Response:
    """Cancel the running runs of a function (`app_id`, `function_id`) that were started in a span of time.

    `started_after` and `started_before` are ISO 8601; `if` is an expression over the event that started a run.
    """
    state = authorised(request)
    core, body = state.core, await json_body(request)
    slug = f"{body.get('app_id')}-{body.get('function_id')}" if body.get("app_id") else str(body.get("function_id"))
    function = core.registry.by_slug(slug)
    if function is None:
        raise EngineError("function not found", 404)
    since, until = _instant(body.get("started_after"), 0), _instant(body.get("started_before"), core.now())
    condition = body.get("if")
    try:
        if condition:
            compile_expression(condition)
    except (ExpressionError, TypeError) as error:
        raise EngineError(f"invalid expression: {error}") from error
    ids = run_rows.running_of_function(core.db, function.id)
    span, count = (since, until), 0
    for start in range(0, len(ids), _AT_ONCE):
        chunk = ids[start : start + _AT_ONCE]
        count += await core.db.write(partial(_cancel_all, core, run_ids=chunk, span=span, condition=condition))
    return answers.page({"cancelled": count}, 201)


def _cancel_all(core: Core, tx: Tx, *, run_ids: list[str], span: tuple[int, int], condition: str | None) -> int:
    return sum(_cancel(core, tx, run_id, span, condition) for run_id in run_ids)


def _cancel(core: Core, tx: Tx, run_id: str, span: tuple[int, int], condition: str | None) -> bool:
    run = run_rows.running(tx, run_id)
    if run is None or not span[0] <= run.queued_at <= span[1]:
        return False
    event = event_rows.get(tx, run.event_id)
    if condition and (event is None or not matches(condition, event=event.body)):
        return False
    return runs.cancel(core, tx, run_id)


def _instant(text: object, default: int) -> int:
    if not text:
        return default
    try:
        return parse_iso(str(text))
    except ValueError as error:
        raise EngineError(f"{text!r} is not an ISO 8601 time") from error
