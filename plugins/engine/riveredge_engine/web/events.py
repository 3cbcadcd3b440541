"""The event API and reading events."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..clock import parse_iso
from ..errors import EngineError
from ..events import MAX_EVENT_BYTES
from ..store import events as event_rows
from ..store import runs as run_rows
from . import answers
from .bodies import read_body
from .state import authorised, state_of

_MAX_BODY_BYTES = 8 * MAX_EVENT_BYTES
_MAX_PAGE = 100


async def send(request: Request) -> Response:
    """Take events in: all of a request or none, in their order, and answer once they are durable."""
    state = state_of(request)
    key = request.path_params["key"].encode()
    if state.event_keys and not any(hmac.compare_digest(key, known.encode()) for known in state.event_keys):
        raise EngineError("event key not found", 401)
    seed = request.headers.get("x-inngest-event-id-seed")
    ids = await state.engine.send(await read_body(request, _MAX_BODY_BYTES), seed=seed)
    return JSONResponse({"ids": ids or [""], "status": 200})


async def list_events(request: Request) -> Response:
    """The newest events; `name`, `limit`, `cursor` (an id), `received_after`, `received_before` narrow them."""
    state = authorised(request)
    query = request.query_params
    found = event_rows.page(
        state.core.db,
        name=query.get("name"),
        before_id=query.get("cursor"),
        since=_instant(query.get("received_after")),
        until=_instant(query.get("received_before")),
        limit=limit_of(request),
    )
    return answers.page([answers.event(event) for event in found])


def limit_of(request: Request) -> int:
    """The wanted size of a page. Raises EngineError."""
    text = request.query_params.get("limit", "20")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not int(text):
        raise EngineError("limit is a number from 1 to 100")
    return min(int(text), _MAX_PAGE)


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_iso(text)
    except ValueError as error:
        raise EngineError(f"{text!r} is not an ISO 8601 time") from error


async def get_event(request: Request) -> Response:
    state = authorised(request)
    event = event_rows.get(state.core.db, request.path_params["event_id"])
    if event is None:
        raise EngineError("event not found", 404)
    return answers.page(answers.event(event))


async def runs_of_event(request: Request) -> Response:
    """The runs an event has started; none is no error, for the event may have started nothing."""
    state = authorised(request)
    found = run_rows.of_event(state.core.db, request.path_params["event_id"])
    return answers.page([answers.run(state.core, run) for run in found])
