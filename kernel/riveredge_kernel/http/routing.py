"""From the SDK's declared routes to FastAPI's: one place that authorises, opens the transaction and commits.

The commit happens after the endpoint returned and before the answer leaves, so a failing commit never answers 200.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from riveredge_kernel.audit.automatic import Answered, note
from riveredge_kernel.http import idempotency
from riveredge_kernel.http.gate import RATE_LIMIT, Gate
from riveredge_kernel.http.middleware import limited
from riveredge_kernel.limits.told import told
from riveredge_sdk.context import use_context
from riveredge_sdk.http import Resource, Route, Router, etag
from riveredge_sdk.problems import Unavailable
from riveredge_sdk.uow import unit_of_work

Answer = Callable[[Request], Awaitable[Response]]
Admits = Callable[[Request], None]

# What an endpoint was given and returned, for the ETag and the audit log; its wrapper fills it in.
_answered: ContextVar[Answered | None] = ContextVar("riveredge_answered", default=None)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one operation is answered. `plugin` is None for the kernel's own.

    An operation with `own_transactions` commits what must last even if it is refused, such as a counted failure; so it
    knows no Idempotency-Key, whose record is one transaction with the work. `admits` refuses, before anything is read,
    who comes with another token than a member's.
    """

    route: Route
    plugin: str | None
    operation: str
    gate: Gate
    max_body_bytes: int
    own_transactions: bool = False
    admits: Admits | None = None

    async def answer(self, request: Request, answer: Answer) -> Response:
        """The answer, within the time that there is.

        Raises:
            Unavailable: the time is over. What was not committed is rolled back.
        """
        request.scope["riveredge.operation"] = self.operation
        seconds = self.gate.settings.http.request_seconds
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._answer(request, answer)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Unavailable(
                f"It took longer than {seconds:g} s. Look whether it was done before you repeat it, or repeat it with "
                "the same Idempotency-Key.",
            ) from None

    async def _answer(self, request: Request, answer: Answer) -> Response:
        if self.admits is not None:
            self.admits(request)
        context = await self.gate.admit(request, self.route, self.plugin)
        request.scope["riveredge.context"] = context
        answered = Answered(request.path_params)
        token = _answered.set(answered)
        telling = told.set(request.scope.setdefault(RATE_LIMIT, {}))

        async def versioned() -> Response:
            response = await answer(request)
            note(self.route, self.operation, self.plugin, response.status_code, answered)
            return _versioned(request, response, answered.resource.version) if answered.resource else response

        try:
            with use_context(context):
                async with unit_of_work(read_only=self.route.method == "GET") as session:
                    key = self._key(request)
                    principal = context.principal
                    if key and principal and context.tenant_id:
                        return await idempotency.answer_once(session, request, principal.id, key, versioned)
                    return await versioned()
        finally:
            told.reset(telling)
            _answered.reset(token)

    def _key(self, request: Request) -> str | None:
        return idempotency.key_of(request) if self.route.method == "POST" and not self.own_transactions else None


def _versioned(request: Request, response: Response, version: int) -> Response:
    tag = etag(version)
    if request.method == "GET" and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return response


class KernelRoute(APIRoute):
    """A FastAPI route whose answer goes through its `Plan`."""

    plan: Plan

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(path, *args, **kwargs)
        self._start = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Hundreds of routes are asked for each request: nearly all of them can say no without a regular expression.
        if not scope.get("root_path") and not scope["path"].startswith(self._start):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Any]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            bounded = Request(request.scope, limited(request.receive, self.plan.max_body_bytes))
            return await self.plan.answer(bounded, answer)

        return handle


def _noting(endpoint: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(endpoint)
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await endpoint(*args, **kwargs)
        answered = _answered.get()
        if answered is not None:
            answered.resource = result if isinstance(result, Resource) else None
            answered.arguments = kwargs
        return result

    return call


def mount(
    app: FastAPI,
    routers: Sequence[Router],
    *,
    prefix: str,
    name: str,
    plugin: str | None,
    gate: Gate,
    admits: Admits | None = None,
) -> None:
    """Add the routes of `routers` below `prefix`; operation ids are `<name>.<endpoint>`."""
    for router in routers:
        for route in router.routes:
            operation = f"{name}.{route.endpoint.__name__}"
            options = dict(route.options)
            limit = options.pop("max_body_size", gate.settings.max_body_bytes)
            own = options.pop("own_transactions", False)
            app.router.add_api_route(
                prefix + route.path,
                _noting(route.endpoint),
                methods=[route.method],
                status_code=route.status,
                tags=[route.tag or name],
                operation_id=operation,
                name=operation,
                route_class_override=KernelRoute,
                **options,
            )
            mounted = app.router.routes[-1]
            assert isinstance(mounted, KernelRoute)  # noqa: S101
            mounted.plan = Plan(route, plugin, operation, gate, limit, own, admits)
