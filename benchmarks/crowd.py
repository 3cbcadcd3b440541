"""Many clients of the live stream, in a process of their own.

They share the machine with what is measured, so they take as little of it as can be: raw sockets that note when a
message is there, and decode none.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

PATH = "/api/v1/stream"
_AT_ONCE = 50
_TEXT, _PING = 0x81, 0x89


class _Client(asyncio.Protocol):
    """One open page. What comes is looked at so far as to tell messages from the rest."""

    def __init__(self, host: str, token: str, topic: str, told: Callable[[], None]) -> None:
        self._greeting = (
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        self._subscription = json.dumps({"type": "subscribe", "topic": topic}).encode()
        self._told = told
        self._data = b""
        self._transport: asyncio.WriteTransport | None = None
        self._is_open = False
        self.follows = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  (for mypy)
        self._transport = transport
        transport.write(self._greeting.encode())

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.follows.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._is_open, self._data = True, rest
            self._say(_TEXT, self._subscription)
        while (frame := self._next()) is not None:
            self._heed(*frame)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.follows.done():
            self.follows.set_exception(error or ConnectionError("the server has closed the connection"))

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole frame: RFC 6455 §5.2, from a server, which masks nothing."""
        data = self._data
        if len(data) < 4:
            return None
        start, size = (4, int.from_bytes(data[2:4])) if data[1] == 126 else (2, data[1])
        if len(data) < start + size:
            return None
        self._data = data[start + size :]
        return data[0], data[start : start + size]

    def _heed(self, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self._say(0x8A, payload)
        elif payload.startswith(b'{"type":"message"'):
            self._told()
        elif payload.startswith(b'{"type":"subscribed"'):
            self.follows.set_result(None)

    def _say(self, kind: int, payload: bytes) -> None:
        # Masked, as a client has to, with a mask that changes nothing.
        assert self._transport is not None and len(payload) < 126  # noqa: S101, PT018  (ours are short)
        self._transport.write(bytes((kind, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


class _Crowd:
    """Tells when each of the clients was told, as soon as they all were."""

    def __init__(self, size: int, tell: Callable[[list[float]], None]) -> None:
        self._size = size
        self._tell = tell
        self._times: list[float] = []

    def told(self) -> None:
        self._times.append(time.perf_counter())
        if len(self._times) == self._size:
            self._tell(self._times)
            self._times = []


async def _follow(base: str, tokens: Sequence[str], topic: str, pipe: Connection) -> None:
    url = urlsplit(base)
    host, port = str(url.hostname), int(url.port or 80)
    crowd = _Crowd(len(tokens), pipe.send)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def join(token: str) -> None:
        async with gate:
            loop = asyncio.get_running_loop()
            make = partial(_Client, url.netloc, token, topic, crowd.told)
            _, client = await loop.create_connection(make, host, port)
            await client.follows

    await asyncio.gather(*(join(token) for token in tokens))
    pipe.send([])
    # Until the process is ended.
    await asyncio.Event().wait()


def _serve(base: str, tokens: Sequence[str], topic: str, pipe: Connection) -> None:
    asyncio.run(_follow(base, tokens, topic, pipe))


@asynccontextmanager
async def crowd(base: str, tokens: Sequence[str], topic: str) -> AsyncIterator[Callable[[], Awaitable[list[float]]]]:
    """A client for each token, all of which follow the topic.

    Args:
        base: the platform's address.

    Yields:
        Waits until each client has been told of one thing more; when that was, by this machine's `perf_counter`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(base, tokens, topic, theirs), daemon=True)
    process.start()
    theirs.close()

    async def hear() -> list[float]:
        found: list[float] = await asyncio.to_thread(ours.recv)
        return found

    try:
        # Nobody has been told of anything: they are all there.
        await hear()
        yield hear
    finally:
        process.terminate()
        process.join()
