"""`/health/live`, `/health/ready`, `/health/plugins` and `/metrics`: for load balancers and operators.

Who may see more than whether the platform is ready is decided by settings: a token, or an inner port.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from riveredge_kernel import __version__
from riveredge_kernel.health import HealthReport
from riveredge_kernel.http.problems import render
from riveredge_kernel.settings import Settings
from riveredge_sdk.contributions import Health, HealthCheck
from riveredge_sdk.problems import NotFound, Problem, Unauthorized


class Monitoring:
    """The routes, for the platform's own port and for the operators'."""

    def __init__(self, settings: Settings, report: HealthReport, draining: Callable[[], bool]) -> None:
        """`draining` tells whether this process is about to stop, and should get no more requests."""
        token = settings.ops.token
        self._token = token.get_secret_value().encode() if token else None
        self._open = settings.environment == "development" and settings.ops.port is None
        self._report = report
        self._draining = draining

    def routes(self, *, operators: bool = False) -> list[Route]:
        """Starlette routes. `operators`: for a port that only operators reach."""
        trusted = operators or self._open
        answers: dict[str, Callable[[bool], Awaitable[Response]]] = {
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/health/plugins": self._plugins,
            "/metrics": self._metrics,
        }
        return [Route(path, self._endpoint(answer, trusted), methods=["GET"]) for path, answer in answers.items()]

    def application(self) -> Starlette:
        """An application of these routes alone."""
        return Starlette(routes=self.routes(operators=True))

    def _endpoint(
        self, answer: Callable[[bool], Awaitable[Response]], trusted: bool
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await answer(self._may_see(request, trusted))
            except Problem as problem:
                return render(problem, request)

        return endpoint

    def _may_see(self, request: Request, trusted: bool) -> bool:
        if self._token is None:
            return trusted
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), self._token)

    def _refuse(self) -> Problem:
        if self._token is not None:
            return Unauthorized("Send the operators' token (RIVEREDGE_OPS__TOKEN): `Authorization: Bearer …`.")
        return NotFound("It is shown on the operators' port only: RIVEREDGE_OPS__PORT, or RIVEREDGE_OPS__TOKEN.")

    async def _live(self, _may_see: bool) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, may_see: bool) -> Response:
        if self._draining():
            return JSONResponse({"status": "stopping"}, status_code=503)
        state, checks = await self._report.ready()
        document = {"status": state, **({"checks": checks} if may_see else {})}
        return JSONResponse(document, status_code=503 if state == "failed" else 200)

    async def _plugins(self, may_see: bool) -> Response:
        if not may_see:
            raise self._refuse()
        return JSONResponse({"plugins": await self._report.by_plugin()})

    async def _metrics(self, may_see: bool) -> Response:
        if not may_see:
            raise self._refuse()
        looked_up = _as_metrics(await self._report.checks(), await self._report.by_plugin())
        return Response(generate_latest() + generate_latest(looked_up), media_type=CONTENT_TYPE_LATEST)


def _as_metrics(
    answers: Iterable[tuple[str, HealthCheck, Health]], plugins: Iterable[dict[str, object]]
) -> CollectorRegistry:
    """What the health checks and the plugin host know, as gauges of this moment."""
    registry = CollectorRegistry()
    info = Gauge("riveredge_info", "The running version.", ["version"], registry=registry)
    info.labels(__version__).set(1)
    healthy = Gauge("riveredge_health_ok", "1 if the check is ok, 0 if not.", ["check"], registry=registry)
    values = Gauge("riveredge_health_value", "A check's numbers.", ["check", "name"], registry=registry)
    for _, check, health in answers:
        healthy.labels(check.id).set(health.state == "ok")
        for name, value in health.values.items():
            if isinstance(value, int | float):
                values.labels(check.id, name).set(value)
    active = Gauge("riveredge_plugin_active", "1 if the plugin runs whole.", ["plugin"], registry=registry)
    for plugin in plugins:
        active.labels(str(plugin["id"])).set(plugin["state"] == "active")
    return registry
