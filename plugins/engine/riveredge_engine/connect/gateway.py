"""Where workers are connected: hands a call to one of them and waits for its answer, over whichever socket it comes.

A worker holds a call on a lease that it extends while it works. When its socket breaks, it goes on working, connects
anew and answers then, so a call is lost only when its lease has run out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.websockets import WebSocket

from ..core import Core
from ..transport import AnswerTooLargeError, HttpClient, Reply, TransportError, UnreachableError
from . import messages
from .connection import EXTEND_LEASE_SECONDS, Connection, start_response
from .wire import decode

_LEASE_SECONDS = EXTEND_LEASE_SECONDS * 4.0
_TOKENS = 1_000


def is_connect_url(url: str) -> bool:
    """Whether a function is called through the socket of a worker."""
    return url.startswith(("ws:", "wss:"))


@dataclass(slots=True)
class _Call:
    answer: asyncio.Future[Reply]
    worker: Connection
    limit: int
    taken: bool = field(default=False)
    expires: float = field(default=0.0)


class Gateway:
    """An `HttpClient` that reaches functions of connected workers, and others by another client.

    `on_place` is told which functions can be called (again), and at most how many calls there is a place for.
    """

    def __init__(self, core: Core, client: HttpClient) -> None:
        self._core = core
        self._client = client
        self._connections: set[Connection] = set()
        self._tokens: dict[str, str] = {}
        self._calls: dict[str, _Call] = {}
        self.on_place: Callable[[Collection[str], int | None], None] = lambda _functions, _places: None

    def invite(self, endpoint: str) -> bytes:
        """A new connection's id and token, as the answer to a worker that asks for them."""
        connection_id = self._core.ulids.new(self._core.now())
        while len(self._tokens) >= _TOKENS:
            self._tokens.pop(next(iter(self._tokens)))
        token = self._tokens[connection_id] = secrets.token_urlsafe(32)
        return start_response(connection_id, endpoint, token)

    async def serve(self, socket: WebSocket) -> None:
        """Serve a worker's socket until it closes."""
        connection = Connection(self, socket)
        self._connections.add(connection)
        try:
            await connection.serve(self._core, self._tokens)
        finally:
            self._connections.discard(connection)

    @property
    def workers(self) -> int:
        """How many workers take calls."""
        return sum(connection.ready for connection in self._connections)

    def reaches(self, function: str) -> bool:
        """Whether a worker has a place for a call of a function, by its full id."""
        return self._worker(function) is not None

    def _worker(self, function: str) -> Connection | None:
        able = [connection for connection in self._connections if connection.free and function in connection.apps]
        return min(able, key=lambda connection: len(connection.busy), default=None)

    def has_place(self, connection: Connection) -> None:
        """A worker has got ready, or done with a call."""
        if connection.free:
            self.on_place(connection.apps, connection.most - len(connection.busy) if connection.most else None)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float, limit: int
    ) -> Reply:
        """See `HttpClient`. The worker has to take the call, and to extend its lease, in time."""
        if not is_connect_url(url):
            return await self._client.request(method, url, headers=headers, body=body, seconds=seconds, limit=limit)
        query = parse_qs(urlsplit(url).query)
        function, step = query.get("fnId", [""])[0], query.get("stepId", [""])[0]
        worker = self._worker(function)
        if worker is None:
            raise UnreachableError("no worker is connected that has this function")
        request_id, loop = headers["x-request-id"], asyncio.get_running_loop()
        call = self._calls[request_id] = _Call(loop.create_future(), worker, limit)
        worker.busy.add(request_id)
        try:
            await worker.call(
                {
                    "request_id": request_id,
                    "app_id": worker.apps[function],
                    "app_name": worker.apps[function],
                    "function_slug": function,
                    "step_id": step,
                    "request_payload": body,
                    "run_id": headers["x-run-id"],
                    "job_id": headers["x-inngest-job-id"],
                    "lease_id": request_id,
                }
            )
            return await self._answer(call, seconds)
        finally:
            del self._calls[request_id]
            worker.busy.discard(request_id)
            self.has_place(worker)

    async def _answer(self, call: _Call, seconds: float) -> Reply:
        loop = asyncio.get_running_loop()
        end, call.expires = loop.time() + seconds, loop.time() + _LEASE_SECONDS
        while (now := loop.time()) < min(call.expires, end):
            done, _ = await asyncio.wait({call.answer}, timeout=min(call.expires, end) - now)
            if done:
                return call.answer.result()
        if now >= end:
            raise TransportError(f"no answer within {seconds:g} s")
        if not call.taken:
            raise UnreachableError("the worker did not take the call")
        raise TransportError("the worker has let its lease run out")

    def extend(self, request_id: str) -> str | None:
        """A worker has taken a call or works on it still; the lease, or None if nobody waits for it any more."""
        call = self._calls.get(request_id)
        if call is None:
            return None
        call.taken = True
        call.expires = asyncio.get_running_loop().time() + _LEASE_SECONDS
        return request_id

    def answer(self, payload: bytes) -> str:
        """Take a worker's answer, from its socket or over HTTP; the request's id. Raises ValueError."""
        reply = decode(messages.REPLY, payload)
        request_id: str = reply["request_id"]
        call = self._calls.get(request_id)
        if call is None or call.answer.done():
            return request_id
        if len(reply["body"]) > call.limit:
            call.answer.set_exception(AnswerTooLargeError(f"the answer is larger than {call.limit} bytes"))
            return request_id
        headers = {"x-inngest-sdk": reply["sdk_version"] or "connect"}
        if reply["no_retry"]:
            headers["x-inngest-no-retry"] = "true"
        if reply["retry_after"]:
            headers["retry-after"] = reply["retry_after"]
        call.answer.set_result(Reply(messages.STATUSES.get(reply["status"], 500), headers, reply["body"]))
        return request_id

    def let_go(self) -> None:
        """Wait no longer for workers that are not connected: the engine stops, and their calls are made again."""
        for call in self._calls.values():
            if call.worker not in self._connections and not call.answer.done():
                call.answer.set_exception(UnreachableError("the worker is away and the engine stops"))

    async def aclose(self) -> None:
        """Let the workers go: they connect to whoever answers next."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))
        await self._client.aclose()
