"""How workers connect: they ask where to, open a socket there, and bring answers that their socket did not."""

from __future__ import annotations

import importlib.util

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from ..connect import messages
from ..connect.wire import encode
from ..errors import EngineError
from .bodies import read_body
from .state import WebState, authorised

PATH = "/v0/connect"
_TYPE = "application/protobuf"


async def start(request: Request) -> Response:
    """Tell a worker where to open its socket, and what to say there."""
    state = authorised(request)
    if not any(importlib.util.find_spec(name) for name in ("websockets", "wsproto")):
        raise EngineError('workers cannot connect here: pip install "riveredge-engine[connect]"', 501)
    endpoint = request.url.replace(scheme="wss" if request.url.scheme == "https" else "ws", path=PATH, query="")
    return Response(state.engine.gateway.invite(str(endpoint)), media_type=_TYPE)


async def flush(request: Request) -> Response:
    """Take an answer whose receipt the worker was not told of."""
    state = authorised(request)
    try:
        request_id = state.engine.gateway.answer(await read_body(request))
    except ValueError as error:
        raise EngineError(f"the answer cannot be read: {error}") from error
    return Response(encode(messages.REPLY_ACK, {"request_id": request_id}), media_type=_TYPE)


async def socket(websocket: WebSocket) -> None:
    """A worker's socket; it proves itself by the token that it got at the start."""
    state: WebState = websocket.app.state.engine
    if not state.open:
        await websocket.close()
        return
    await state.engine.gateway.serve(websocket)
