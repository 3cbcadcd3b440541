"""What every HTTP exchange gets: a request id, a log line, metrics and conservative headers."""

import re
import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riveredge_kernel.metrics import REQUEST_SECONDS, REQUESTS_UNDER_WAY

log = structlog.get_logger(__name__)

# A caller's id goes into our logs, so it may hold nothing that could forge a line or a field there.
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


class RequestMiddleware:
    """Pure ASGI: no copy of the body, no extra task."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        scope["riveredge.request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message["headers"], *_HEADERS, (b"x-request-id", request_id.encode())],
                }
            await send(message)

        try:
            with REQUESTS_UNDER_WAY.track_inprogress():
                await self.app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            operation = scope.get("riveredge.operation", "none")
            REQUEST_SECONDS.labels(operation, f"{status // 100}xx").observe(seconds)
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
                request_id=request_id,
            )
