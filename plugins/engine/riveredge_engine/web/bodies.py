"""Reading what a request sends, as far as it is not too large."""

from __future__ import annotations

from typing import Any

from starlette.requests import ClientDisconnect, Request

from ..errors import EngineError
from ..strict import parse_json

_LARGEST = 16 * 1024 * 1024


async def read_body(request: Request, limit: int = _LARGEST) -> bytes:
    """The body. Raises EngineError (413) once it is larger than `limit` bytes, without keeping the rest."""
    parts, size = list[bytes](), 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise EngineError(f"a request has at most {limit} bytes", 413)
            parts.append(part)
    except ClientDisconnect as error:
        raise EngineError("the request broke off") from error
    return b"".join(parts)


async def json_body(request: Request) -> dict[str, Any]:
    """The object in a request's body. Raises EngineError."""
    try:
        body = parse_json(await read_body(request))
    except ValueError as error:
        raise EngineError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise EngineError("the body is not an object")
    return body
