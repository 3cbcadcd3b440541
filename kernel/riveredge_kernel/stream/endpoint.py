"""`/api/v1/stream`: a WebSocket, or server-sent events at the same address."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from riveredge_kernel.http import problems
from riveredge_kernel.settings import StreamSettings
from riveredge_kernel.stream.door import StreamDoor
from riveredge_kernel.stream.follower import POLICY, TOO_SLOW, Follower, Item, Subscription, compact
from riveredge_kernel.stream.hub import StreamHub
from riveredge_sdk.problems import BadRequest, MethodNotAllowed, Problem

log = structlog.get_logger(__name__)

# One send that takes longer than this: the client has stopped reading.
SEND_SECONDS = 30.0
# A client may say this many things at once, and this many a second in the long run.
_BURST, _RATE = 200, 20.0
_MAX_SSE_TOPICS = 20


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Subscribe(_Said):
    """Follow a channel. `since` is the last number that is known; without it, only what comes is sent."""

    type: Literal["subscribe"]
    topic: str = Field(max_length=100)
    key: str | None = Field(default=None, max_length=100)
    since: int | None = Field(default=None, ge=0, le=2**53)


class Unsubscribe(_Said):
    """Follow it no longer."""

    type: Literal["unsubscribe"]
    topic: str = Field(max_length=100)
    key: str | None = Field(default=None, max_length=100)


class Ping(_Said):
    """Ask for a pong."""

    type: Literal["ping"]


Said = Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="type")]
_SAID: TypeAdapter[Subscribe | Unsubscribe | Ping] = TypeAdapter(Said)


class StreamEndpoint:
    """Answers at the stream's address."""

    def __init__(self, door: StreamDoor, hub: StreamHub, settings: StreamSettings) -> None:
        self._door = door
        self._hub = hub
        self._heartbeat = settings.heartbeat_seconds

    def routes(self, path: str) -> Sequence[BaseRoute]:
        """The routes, to be mounted as they are: they go through the stream's own door, not through the gate."""
        return (
            WebSocketRoute(path, self.websocket, name="stream.websocket"),
            Route(path, _Events(self), methods=["GET"], name="stream.events", include_in_schema=False),
        )

    # -- WebSocket ------------------------------------------------------------------------------------------------

    async def websocket(self, socket: WebSocket) -> None:
        """One connection, from its ticket to its end."""
        try:
            follower = await self._door.enter(socket)
        except Problem as problem:
            await socket.send_denial_response(problems.render(problem, Request({**socket.scope, "type": "http"})))
            return
        await socket.accept()
        self._hub.add(follower)
        follower.say(self._hello())
        tasks = [
            asyncio.create_task(self._listen(socket, follower), name="stream listener"),
            asyncio.create_task(self._speak(socket, follower), name="stream speaker"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.remove(follower)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, socket: WebSocket, follower: Follower) -> None:
        allowance, refilled = float(_BURST), time.monotonic()
        while True:
            try:
                text = await socket.receive_text()
            except WebSocketDisconnect:
                return None
            except KeyError:
                follower.close(POLICY, "Send text, not bytes.")
                return await _cancelled()
            now = time.monotonic()
            allowance, refilled = min(allowance + (now - refilled) * _RATE, _BURST) - 1, now
            if allowance < 0:
                follower.close(POLICY, "Too many messages.")
                return await _cancelled()
            await follower.room()
            await self._heed(follower, text)

    async def _heed(self, follower: Follower, text: str) -> None:
        try:
            said = _SAID.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            problem = BadRequest(f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"[:300])
            follower.say({"type": "error", "topic": None, "key": None, "problem": problem.as_json()})
            return
        if isinstance(said, Ping):
            follower.say({"type": "pong"})
        elif isinstance(said, Subscribe):
            await self._subscribe(follower, said.topic, said.key, said.since)
        else:
            own = str(follower.principal.id)
            for key in (said.key or "", said.key or own):
                if (found := follower.subscriptions.get((said.topic, key))) is not None:
                    self._hub.unsubscribe(found)
            follower.say({"type": "unsubscribed", "topic": said.topic, "key": said.key})

    async def _subscribe(self, follower: Follower, topic: str, key: str | None, since: int | None) -> None:
        try:
            subscription = await self._door.admit(follower, topic, key, since)
        except Problem as problem:
            follower.say({"type": "error", "topic": topic, "key": key, "problem": problem.as_json()})
            return
        except Exception:
            log.exception("stream_authorise_failed", topic=topic)
            follower.say({"type": "error", "topic": topic, "key": key, "problem": Problem().as_json()})
            return
        self._hub.subscribe(subscription)

    async def _speak(self, socket: WebSocket, follower: Follower) -> None:
        async def send(item: Item) -> None:
            await socket.send_text(item.text)

        with contextlib.suppress(WebSocketDisconnect, ClientDisconnected, RuntimeError):
            if await self._send_all(follower, send):
                await socket.close(follower.close_code or 1000, follower.close_reason)

    async def _send_all(self, follower: Follower, send: Any) -> bool:
        """Send what there is until the connection is to be closed; False if the client does not read."""
        quiet = Item(compact({"type": "heartbeat"}))
        while True:
            items = await follower.take(self._heartbeat)
            if not items and follower.close_code is not None:
                return True
            for item in items or (quiet,):
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send(item)
                except TimeoutError:
                    follower.close(TOO_SLOW, "The client does not read.")
                    return False

    def _hello(self) -> dict[str, Any]:
        return {"type": "hello", "heartbeat": self._heartbeat, "topics": sorted(self._door.topics)}

    # -- server-sent events ---------------------------------------------------------------------------------------

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Server-sent events: what to follow is in the query, where to go on in Last-Event-ID."""
        request = Request(scope, receive)
        scope["riveredge.operation"] = "stream.events"
        try:
            if request.method != "GET":
                raise MethodNotAllowed("Read the stream with GET.", headers={"Allow": "GET"})
            wanted = _wanted(request)
            follower = await self._door.enter(request)
            subscriptions = {name: await self._door.admit(follower, *channel) for name, channel in wanted.items()}
        except Problem as problem:
            await problems.render(problem, request)(scope, receive, send)
            return
        self._hub.add(follower)
        follower.say(self._hello())
        for subscription in subscriptions.values():
            # Whoever breaks off again at once has lost nothing.
            subscription.sent = -1 if subscription.since is None else subscription.since
            self._hub.subscribe(subscription)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                    # nginx would collect the events otherwise.
                    (b"x-accel-buffering", b"no"),
                ],
            }
        )

        async def send_event(item: Item) -> None:
            if item.subscription is not None:
                item.subscription.sent = item.seq
            where = _positions(subscriptions)
            text = (f"id: {where}\n" if where else "") + f"data: {item.text}\n\n"
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        speaking = asyncio.create_task(self._send_all(follower, send_event), name="stream speaker")
        leaving = asyncio.create_task(_gone(receive), name="stream listener")
        try:
            await asyncio.wait([speaking, leaving], return_when=asyncio.FIRST_COMPLETED)
            if speaking.done() and speaking.exception() is None and speaking.result():
                closed = compact({"type": "closed", "code": follower.close_code, "reason": follower.close_reason})
                await send({"type": "http.response.body", "body": f"data: {closed}\n\n".encode()})
        finally:
            self._hub.remove(follower)
            for task in (speaking, leaving):
                task.cancel()
            await asyncio.gather(speaking, leaving, return_exceptions=True)


class _Events:
    """An ASGI application, because Starlette gives functions a request and wants an answer at once."""

    def __init__(self, endpoint: StreamEndpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint.events(scope, receive, send)


async def _cancelled() -> None:
    """Wait for the speaker, who has the last word, and with whom the connection ends."""
    await asyncio.Event().wait()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wanted(request: Request) -> dict[str, tuple[str, str | None, int | None]]:
    """The channels that the query names (`topic=<id>` or `topic=<id>:<key>`), with where to go on."""
    known: dict[str, int] = {}
    for part in request.headers.get("last-event-id", request.query_params.get("last", "")).split(","):
        name, _, number = part.rpartition("=")
        if name and number.isascii() and number.isdigit() and len(number) < 17:
            known[name] = int(number)
    names = request.query_params.getlist("topic")
    if not 1 <= len(names) <= _MAX_SSE_TOPICS:
        raise BadRequest(f"Name 1 to {_MAX_SSE_TOPICS} channels: ?topic=kernel.runs&topic=messaging.inbox.")
    wanted = {}
    for name in names:
        topic, _, key = name.partition(":")
        wanted[name] = (topic[:100], key[:100] or None, known.get(name))
    return wanted


def _positions(subscriptions: Mapping[str, Subscription]) -> str:
    """Where the client is, as it was sent: what it gives back as Last-Event-ID."""
    return ",".join(f"{name}={s.sent}" for name, s in subscriptions.items() if s.sent >= 0)
