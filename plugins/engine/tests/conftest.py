"""A real app of the unmodified inngest SDK under HTTP, and an engine under HTTP that calls it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import fastapi
import httpx2
import inngest
import pytest
import uvicorn
from starlette.types import ASGIApp

from riveredge_engine import Engine, MovableClock
from riveredge_sdk.testing.postgres import find_postgres

with warnings.catch_warnings():
    # The SDK's models are declared in a way that pydantic has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import inngest.fast_api

PATIENCE = 20.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(port: int = 0) -> socket.socket:
    # The protocol must be named: only then does asyncio turn off Nagle's algorithm, which costs 40 ms per request.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    return sock


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve an app for the time of the block; its address."""
    sock = listening_socket(port)
    server = _Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    await until(lambda: server.started, "the server to start")
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        sock.close()


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str = "") -> None:
    """Wait for a condition; fails after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.005)


async def _close(client: inngest.Inngest) -> None:
    """The SDK keeps its connections until the process ends; a test must not leave any behind."""
    http = client._http_client
    http._http_client_sync.close()
    await http._http_client.aclose()


class World:
    """An engine, an SDK client that talks to it, and its apps."""

    def __init__(self, engine: Engine, url: str, http: httpx2.AsyncClient, stack: contextlib.AsyncExitStack) -> None:
        self.engine = engine
        self.url = url
        self.http = http
        self._stack = stack
        self.client = self.new_client("app")

    def new_client(self, app_id: str, **options: Any) -> inngest.Inngest:
        logger = logging.getLogger("sdk-under-test")
        logger.setLevel(logging.CRITICAL)
        urls = {"api_base_url": self.url, "event_api_base_url": self.url}
        defaults: dict[str, Any] = {"is_production": False, "logger": logger, **urls}
        client = inngest.Inngest(app_id=app_id, **(defaults | options))
        self._stack.push_async_callback(_close, client)
        return client

    def on(self, event: str, *, expression: str | None = None, **options: Any) -> Callable[..., Any]:
        """Decorator: an inngest function of the world's client, triggered by an event and named after the handler."""

        def decorate(handler: Callable[..., Any]) -> inngest.Function[Any]:
            trigger = inngest.TriggerEvent(event=event, expression=expression)
            made = self.client.create_function(fn_id=handler.__name__, trigger=trigger, **options)
            return made(handler)

        return decorate

    async def serve(
        self,
        *functions: inngest.Function[Any],
        client: inngest.Inngest | None = None,
        port: int = 0,
        register: bool = True,
        **options: Any,
    ) -> str:
        """Serve functions as an app, until the test ends, and register it; its address."""
        app = fastapi.FastAPI()
        inngest.fast_api.serve(app, client or self.client, list(functions), **options)
        url = await self._stack.enter_async_context(serving(app, port)) + "/api/inngest"
        if register:
            answer = await self.http.put(url)
            assert answer.status_code == 200, answer.text
        return url

    async def send(self, name: str, data: dict[str, Any] | None = None, **fields: Any) -> str:
        """Send an event through the SDK; the engine's id of it."""
        ids = await self.client.send(inngest.Event(name=name, data=data or {}, **fields))
        return ids[0]

    async def get(self, path: str) -> Any:
        answer = await self.http.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def runs(self, event_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get(f"/v1/events/{event_id}/runs")
        return found

    async def run(self, event_id: str) -> dict[str, Any]:
        """The one run of an event."""
        found = await self.runs(event_id)
        assert len(found) == 1, found
        return found[0]

    async def ended(self, event_id: str) -> dict[str, Any]:
        """The one run of an event, once it has ended."""

        async def has_ended() -> bool:
            found = await self.runs(event_id)
            return bool(found) and all(run["status"] != "Running" for run in found)

        await until(has_ended, f"the run of {event_id} to end")
        return await self.run(event_id)

    async def steps(self, run_id: str) -> list[str]:
        """The names of a run's finished steps, in the order they finished."""
        return [step["name"] for step in await self.get(f"/v1/runs/{run_id}/steps") if step["status"] == "Completed"]

    async def idle(self) -> None:
        await self.engine.run_until_idle(PATIENCE)


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A factory of empty databases; their addresses."""
    server = find_postgres()
    if server is None:
        assert not os.environ.get("CI"), "CI needs PostgreSQL"
        pytest.skip("no PostgreSQL here")
    names: list[str] = []

    def make() -> str:
        database = server.create_database()
        names.append(database.name)
        return database.owner.replace("postgresql+asyncpg", "postgresql")

    yield make
    for name in names:
        server.drop_database(name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked so runs over both kinds of stores."""
    if "kind_of_store" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("database") is not None
        metafunc.parametrize("kind_of_store", ["sqlite", "postgresql"] if both else ["sqlite"])


@pytest.fixture
def new_store(kind_of_store: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """A factory of empty stores; what names them to an engine."""
    if kind_of_store == "sqlite":
        return lambda: ":memory:"
    made: Callable[[], str] = request.getfixturevalue("postgresql")
    return made


@pytest.fixture
async def make_world(new_store: Callable[[], str]) -> AsyncIterator[MakeWorld]:
    """A factory of worlds; its arguments are the engine's, which by default has a movable clock and quick retries."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options: Any) -> World:
            defaults: dict[str, Any] = {"clock": MovableClock(), "retry_interval": 0.02, "store": new_store()}
            engine = Engine(**(defaults | options))
            await stack.enter_async_context(engine)
            url = await stack.enter_async_context(serving(engine.asgi))
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=PATIENCE))
            return World(engine, url, http, stack)

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()


@pytest.fixture(scope="session")
def serve_asgi() -> Callable[..., contextlib.AbstractAsyncContextManager[str]]:
    """`serving`, for tests that start servers of their own."""
    return serving


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Awaitable[None]]:
    """`until`, for tests."""
    return until


@pytest.fixture(scope="session")
def names() -> Callable[[Sequence[Any]], list[str]]:
    """The step or function names of the engine's call records."""
    return lambda records: [record.function for record in records]
