"""A span for each request; the outermost middleware, so that it sees who really connects."""

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import IPvAnyNetwork
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riveredge_kernel.functions.client import PATH as INNGEST

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import OpenSpan, Tracing

_BELIEVED = ("traceparent", "tracestate")
# Inngest's calls are parts of runs; health and metrics are asked for all day; a stream may last for hours.
_UNTRACED = (INNGEST, "/health/", "/metrics", "/api/v1/stream")


class TracingMiddleware:
    """Pure ASGI. A caller's trace is continued only if it connects from a network that is named for that."""

    def __init__(self, app: ASGIApp, tracing: "Tracing") -> None:
        self.app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        believed = _is_in(scope.get("client"), self._tracing.accept_from)
        given = {name: headers[name] for name in _BELIEVED if name in headers} if believed else {}
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracing.request(scope["method"], given) as span:
            try:
                await self.app(scope, receive, note)
            finally:
                _describe(span, scope, status)


def _is_in(client: Sequence[object] | None, networks: Sequence[IPvAnyNetwork]) -> bool:
    if not client or not networks:
        return False
    try:
        address = ipaddress.ip_address(str(client[0]))
    except ValueError:
        return False
    return any(address in network for network in networks)


def _describe(span: "OpenSpan", scope: Scope, status: int) -> None:
    # The template, for a path may hold secrets and names.
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        span.rename(f"{scope['method']} {path}")
        span.set("http.route", path)
    span.set("http.response.status_code", status or 500)
    if status >= 500 or not status:
        span.fail(str(status or 500))
    span.set("riveredge.request_id", scope.get("riveredge.request_id", ""))
    if operation := scope.get("riveredge.operation"):
        span.set("riveredge.operation", operation)
    context = scope.get("riveredge.context")
    if context is not None and context.tenant_id is not None:
        span.set("riveredge.tenant_id", str(context.tenant_id))
    if context is not None and context.principal is not None:
        span.set("riveredge.principal_id", str(context.principal.id))
