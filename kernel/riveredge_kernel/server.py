"""The platform as a running server, in this process: the app, and the embedded engine where no Inngest is named.

`riveredge run`, `riveredge serve` and the testing kit all start it this way.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol

import structlog
import uvicorn
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from riveredge_kernel.app import create_app
from riveredge_kernel.platform import Platform
from riveredge_kernel.settings import Settings
from riveredge_sdk.plugin import Plugin

log = structlog.get_logger(__name__)

ENGINE_GROUP = "riveredge.engine"


class Engine(Protocol):
    """What an embedded engine offers; found by the entry-point group `riveredge.engine`."""

    @property
    def asgi(self) -> ASGIApp: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class DatabaseAwayError(RuntimeError):
    """The database cannot be reached, so there is nothing to serve."""


class EngineMissingError(RuntimeError):
    """No Inngest is named in the settings, and no embedded engine is installed."""


def find_engine() -> type[Any]:
    """The installed embedded engine's class.

    Raises:
        EngineMissingError: there is none.
    """
    for entry in entry_points(group=ENGINE_GROUP):
        found: type[Any] = entry.load()
        return found
    raise EngineMissingError(
        "no Inngest: set RIVEREDGE_INNGEST__BASE_URL, or install the embedded engine: pip install riveredge-engine"
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns off the delay of small packets; without it, answers wait for 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(2048)
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made


class _Server(uvicorn.Server):
    """Leaves signals to whoever started the platform: two servers in one loop would fight over them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_app(app: ASGIApp, sock: socket.socket, *, lifespan: bool, grace: int = 10) -> AsyncIterator[None]:
    """Serve `app` on `sock` for the time of the block; requests under way have `grace` seconds to finish.

    Raises:
        RuntimeError: the app failed to start.
    """
    config = uvicorn.Config(
        app,
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace,
        server_header=False,
        proxy_headers=False,
        # A body that came faster than it was read would hand its request's context to the connection's next request.
        reset_contextvars=True,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server did not start; the log says why")
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task
        sock.close()


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    plugins: Sequence[Plugin] = (),
    engine_options: dict[str, Any] | None = None,
    confirm_within: float | None = None,
) -> AsyncIterator[Platform]:
    """Run the platform, and the embedded engine unless an Inngest is named, for the time of the block.

    Args:
        plugins: further plugins besides the installed ones.
        engine_options: arguments of the embedded engine, for tests (`clock`, `retry_interval`).
        confirm_within: see `create_app`.
    """
    async with contextlib.AsyncExitStack() as stack:
        app_socket = listen(settings.host, settings.port)
        origin = settings.public_url or f"http://{settings.host}:{app_socket.getsockname()[1]}"
        changes: dict[str, Any] = {"public_url": origin}
        engine: Engine | None = None
        if settings.inngest.base_url is None:
            inngest = settings.inngest
            engine_socket = listen(inngest.engine_host, inngest.engine_port)
            settings.var_dir.mkdir(parents=True, exist_ok=True)
            local = f"http://{settings.host}:{app_socket.getsockname()[1]}"
            # Keys of this process alone: nobody else may start functions, neither here nor at the engine.
            signing_key = inngest.signing_key or SecretStr(secrets.token_hex(32))
            event_key = inngest.event_key or SecretStr(secrets.token_hex(16))
            engine = find_engine()(
                **{
                    "store": settings.var_dir / "engine.db",
                    "app_urls": [],
                    "event_keys": [event_key.get_secret_value()],
                    "signing_key": signing_key.get_secret_value(),
                    **(engine_options or {}),
                },
            )
            await engine.start()
            stack.push_async_callback(engine.stop)
            await stack.enter_async_context(serve_app(engine.asgi, engine_socket, lifespan=False))
            address = f"http://{inngest.engine_host}:{engine_socket.getsockname()[1]}"
            changes["inngest"] = inngest.model_copy(
                update={
                    "base_url": address,
                    "serve_origin": local,
                    "signing_key": signing_key,
                    "event_key": event_key,
                }
            )
        try:
            app = create_app(settings.model_copy(update=changes), plugins=plugins, confirm_within=confirm_within)
            platform: Platform = app.state.platform
            await platform.database.check_role()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAwayError(f"The database does not answer: {error}"[:300]) from error
        platform.engine = engine
        if settings.ops.port is not None:
            ops_socket = listen(settings.ops.host, settings.ops.port)
            platform.ops_address = f"http://{settings.ops.host}:{ops_socket.getsockname()[1]}"
            await stack.enter_async_context(serve_app(platform.monitoring.application(), ops_socket, lifespan=False))
        await stack.enter_async_context(serve_app(app, app_socket, lifespan=True))
        yield platform
