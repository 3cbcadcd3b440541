"""The platform as a running server, in this process: the app, and the embedded engine where no Inngest is named.

`riveredge run`, `riveredge serve` and the testing kit all start it this way.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol

import h11
import structlog
import uvicorn
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from riveredge_kernel.app import create_app
from riveredge_kernel.platform import Platform
from riveredge_kernel.settings import PREFIX, HttpSettings, Settings
from riveredge_kernel.timers.clock import Pace
from riveredge_sdk.plugin import Plugin

log = structlog.get_logger(__name__)

ENGINE_GROUP = "riveredge.engine"
# sd_listen_fds(3): descriptors begin after standard error.
_FIRST_DESCRIPTOR = 3
_LINGER = 1.0
_MAX_FRAME = 16_384


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


class PortTakenError(RuntimeError):
    """The platform cannot listen where it should."""


def listen(host: str, port: int, *, setting: str = f"{PREFIX}PORT") -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Args:
        setting: the variable that chooses another port.

    Raises:
        PortTakenError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns off the delay of small packets; without it, answers wait for 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(2048)
    except OSError as error:
        made.close()
        raise PortTakenError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Is it running already? "
            f"Another port: {setting}={port + 100}"
        ) from error
    made.setblocking(False)
    return made


def inherited() -> socket.socket | None:
    """The listening socket that systemd, or whoever follows sd_listen_fds(3), hands to this process; None without one.

    It stays open while a process is restarted, and several processes may have it: no connection is refused.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not int(os.environ.get("LISTEN_FDS", "0")):
        return None
    made = socket.socket(fileno=_FIRST_DESCRIPTOR)
    made.setblocking(False)
    return made


class _Server(uvicorn.Server):
    """Leaves signals to whoever started the platform: two servers in one loop would fight over them.

    When it stops, connections have `linger` seconds to send what is on its way and to end by themselves.
    """

    def __init__(self, config: uvicorn.Config, linger: float) -> None:
        super().__init__(config)
        self._linger = linger

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # uvicorn closes what is idle at once: also a connection just accepted, whose request is on its way.
        deadline = time.monotonic() + self._linger
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110  (uvicorn has no event)
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """A connection that has to be done with a request's headers in time: slow ones would use up all there are."""

    header_seconds: ClassVar[float] = 15
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._expect()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        if not getattr(self.transport.get_protocol(), "handshake_initiated", True):
            # What this parser has let through was too long for the other one, which then waits for ever.
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@contextlib.asynccontextmanager
async def serve_app(
    app: ASGIApp, sock: socket.socket, *, lifespan: bool, http: HttpSettings | None = None, linger: float = 0
) -> AsyncIterator[None]:
    """Serve `app` on `sock` for the time of the block; requests under way may finish, idle connections linger.

    Raises:
        RuntimeError: the app failed to start.
    """
    limits = http or HttpSettings()
    config = uvicorn.Config(
        app,
        http=type("Protocol", (_Protocol,), {"header_seconds": limits.header_seconds}),
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=limits.grace_seconds,
        timeout_keep_alive=limits.keep_alive_seconds,
        server_header=False,
        proxy_headers=False,
        # What clients say on the live stream is short. Compression would cost memory for each of them.
        ws="websockets-sansio",
        ws_max_size=_MAX_FRAME,
        ws_per_message_deflate=False,
        # A body that came faster than it was read would hand its request's context to the connection's next request.
        reset_contextvars=True,
    )
    server = _Server(config, linger)
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
    pace: Pace | None = None,
) -> AsyncIterator[Platform]:
    """Run the platform, and the embedded engine unless an Inngest is named, for the time of the block.

    Args:
        plugins: further plugins besides the installed ones.
        engine_options: arguments of the embedded engine, for tests (`clock`, `retry_interval`).
        confirm_within, pace: see `create_app`.
    """
    async with contextlib.AsyncExitStack() as stack:
        app_socket = inherited() or listen(settings.host, settings.port)
        origin = settings.public_url or f"http://{settings.host}:{app_socket.getsockname()[1]}"
        names = settings.http.model_copy(update={"allowed_hosts": settings.hosts})
        changes: dict[str, Any] = {"public_url": origin, "http": names}
        engine: Engine | None = None
        if settings.inngest.base_url is None:
            inngest = settings.inngest
            engine_socket = listen(inngest.engine_host, inngest.engine_port, setting=f"{PREFIX}INNGEST__ENGINE_PORT")
            settings.var_dir.mkdir(parents=True, exist_ok=True)
            local = f"http://{settings.host}:{app_socket.getsockname()[1]}"
            # Keys of this process alone: nobody else may start functions, neither here nor at the engine.
            signing_key = inngest.signing_key or SecretStr(secrets.token_hex(32))
            event_key = inngest.event_key or SecretStr(secrets.token_hex(16))
            store = inngest.engine_store.get_secret_value() if inngest.engine_store else settings.var_dir / "engine.db"
            engine = find_engine()(
                **{
                    "store": store,
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
            final = settings.model_copy(update=changes)
            app = create_app(final, plugins=plugins, confirm_within=confirm_within, pace=pace)
            platform: Platform = app.state.platform
            await platform.database.check_role()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAwayError(f"The database does not answer: {error}"[:300]) from error
        platform.engine = engine
        platform.address = f"http://{settings.host}:{app_socket.getsockname()[1]}"
        if settings.ops.port is not None:
            ops_socket = listen(settings.ops.host, settings.ops.port, setting=f"{PREFIX}OPS__PORT")
            platform.ops_address = f"http://{settings.ops.host}:{ops_socket.getsockname()[1]}"
            await stack.enter_async_context(serve_app(platform.monitoring.application(), ops_socket, lifespan=False))
        linger = min(settings.drain_seconds, _LINGER)
        serving = serve_app(app, app_socket, lifespan=True, http=settings.http, linger=linger)
        await stack.enter_async_context(serving)
        try:
            yield platform
        finally:
            # Load balancers learn that it stops, and clients are told to take another connection.
            await platform.drain(settings.drain_seconds)
