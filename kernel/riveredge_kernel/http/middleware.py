"""What every HTTP exchange gets: a request id, a log line, metrics and conservative headers."""

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from riveredge_kernel.functions import door
from riveredge_kernel.functions.client import PATH as INNGEST
from riveredge_kernel.http import problems
from riveredge_kernel.http.gate import RATE_LIMIT
from riveredge_kernel.http.tenant_hint import host_name
from riveredge_kernel.metrics import REQUEST_SECONDS, REQUESTS_UNDER_WAY
from riveredge_kernel.settings import Settings
from riveredge_kernel.tracing.http import TracingMiddleware
from riveredge_sdk.context import Context
from riveredge_sdk.problems import BadRequest

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)

# A caller's id goes into our logs, so it may hold nothing that could forge a line or a field there.
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Headers of browsers' protections (OWASP Secure Headers Project). An answer may set its own instead.
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_APP_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
    b"base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# The page of the API's documentation loads its program from there; it is off in production by default.
_DOCS_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://fastapi.tiangolo.com; "
    b"frame-ancestors 'none'"
)
_YEAR = 31_536_000
# What a browser's script of another origin may send, and read of the answer, if that origin is allowed.
_CORS_SENT = [
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-Request-ID",
    "X-Tenant",
]  # fmt: skip
_CORS_READ = [
    "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID",
]  # fmt: skip


def install(app: FastAPI, settings: Settings, draining: Callable[[], bool], tracing: "Tracing | None" = None) -> None:
    """Add the middleware. `draining` tells whether the process is about to stop."""
    http = settings.http
    # The last that is added is the first to see a request.
    if words := door.words(settings.inngest):
        app.add_middleware(door.RegistrationDoor, words=words)
    if http.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=http.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_CORS_SENT,
            expose_headers=_CORS_READ,
        )
    secure = (settings.public_url or "").startswith("https://")
    app.add_middleware(
        RequestMiddleware,
        hosts=http.allowed_hosts,
        secure=secure,
        draining=draining,
        inngest_body=settings.inngest.max_body_bytes,
    )
    if http.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in http.trusted_proxies])
    if tracing is not None:
        app.add_middleware(TracingMiddleware, tracing=tracing)


class RequestMiddleware:
    """Pure ASGI: no copy of the body, no extra task."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Sequence[str] | None,
        secure: bool,
        draining: Callable[[], bool],
        inngest_body: int,
    ) -> None:
        """
        Args:
            hosts: names under which the platform is reached, `*.example.com` for all below one; None for any.
            secure: people reach it by HTTPS.
            inngest_body: how large a call of Inngest may be, in bytes.
        """
        self.app = app
        self._hosts = hosts
        self._draining = draining
        self._inngest_body = inngest_body
        strict = {b"strict-transport-security": b"max-age=%d; includeSubDomains" % _YEAR}
        self._headers = {**_HEADERS, **(strict if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        scope["riveredge.request_id"] = request_id
        own = {
            **self._headers,
            b"content-security-policy": _policy(scope["path"]),
            b"x-request-id": request_id.encode(),
        }
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                there = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in own.items() if name not in there]
                if told := scope.get(RATE_LIMIT):
                    headers += [(name.lower().encode(), value.encode()) for name, value in told.items()]
                if self._draining():
                    # The client opens a new connection then, to a process that stays.
                    headers = [(n, v) for n, v in headers if n.lower() != b"connection"] + [(b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        if scope["path"] == INNGEST:
            receive = limited(receive, self._inngest_body)
        try:
            with REQUESTS_UNDER_WAY.track_inprogress():
                await self._answer(scope, receive, send_with_headers, lambda: status > 0)
        finally:
            self._note(scope, status or 500, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, begun: Callable[[], bool]) -> None:
        request = Request(scope)
        if flaw := self._flaw(scope):
            problem = BadRequest(flaw, headers={"Connection": "close"})
            await problems.render(problem, request)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            # Here, so that this answer gets its headers as well.
            response = await problems.on_unexpected(request, error)
            if begun():
                raise
            await response(scope, receive, send)

    def _flaw(self, scope: Scope) -> str:
        """Why the request is not even looked at."""
        names = [name for name, _ in scope["headers"]]
        if b"transfer-encoding" in names and b"content-length" in names:
            # RFC 9112 §6.3: whoever goes by the other of the two sees another request behind this one.
            return "Send Content-Length or Transfer-Encoding, not both."
        if not self._knows(scope):
            return "The platform is not reached under this Host. Allowed are those of RIVEREDGE_HTTP__ALLOWED_HOSTS."
        return ""

    def _knows(self, scope: Scope) -> bool:
        # Load balancers ask for health by address, and Inngest's calls are signed.
        if scope["path"] == INNGEST or scope["path"].startswith("/health/"):
            return True
        return known_host(Headers(scope=scope).get("host", ""), self._hosts)

    @staticmethod
    def _note(scope: Scope, status: int, seconds: float) -> None:
        REQUEST_SECONDS.labels(scope.get("riveredge.operation", "none"), f"{status // 100}xx").observe(seconds)
        context: Context | None = scope.get("riveredge.context")
        more: dict[str, str] = {}
        if context is not None and context.tenant_id is not None:
            more["tenant"] = str(context.tenant_id)
        if context is not None and context.principal is not None:
            more["principal"] = str(context.principal.id)
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
            client=(scope.get("client") or ("",))[0],
            request_id=scope["riveredge.request_id"],
            **more,
        )


def limited(receive: Receive, limit: int) -> Receive:
    """A body that ends in a 413 once it is larger than `limit` bytes, before it is held in memory."""
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)
        return message

    return count


def _policy(path: str) -> bytes:
    if path.startswith("/apps/"):
        return _APP_POLICY
    return _DOCS_POLICY if path.startswith("/docs") else _API_POLICY


def known_host(header: str, hosts: Sequence[str] | None) -> bool:
    """Whether a Host header names one of the hosts under which the platform is reached; None for any."""
    if hosts is None:
        return True
    name = host_name(header)
    return any(name == known or (known[:1] == "*" and name.endswith(known[1:])) for known in hosts)
