"""A small HTTP/1.1 client for calls to apps: keeps connections alive, and costs a fraction of a general one.

The engine makes one call per step, so this is its hottest path, and a general client would double its memory at rest.
An answer of the common form, a plain head with the body's length, is read here; h11 reads every other one.
It follows no redirects and uses no proxies: an app's address is exactly what the app registered.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import h11

# As many as there are calls at once: in a burst, connecting anew would cost both sides more than the calls do.
_IDLE_PER_ORIGIN = 256
_READ = 64 * 1024
_CLOSE_SECONDS = 1.0
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ASKED = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n(?:" + _TOKEN + rb": (?:[!-~](?:[\t -~]*[!-~])?)?\r\n)*\r\n")
_PLAIN = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: [\t -~]*)?\r\n((?:" + _TOKEN + rb":[\t -~\x80-\xff]*\r\n)+)\r\n")
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})


class TransportError(Exception):
    """No answer: refused, broken off, timed out, or not HTTP."""


class UnreachableError(TransportError):
    """Nothing was sent: no connection could be made."""


class AnswerTooLargeError(TransportError):
    """The answer is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpClient(Protocol):
    """How the engine reaches apps."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float, limit: int
    ) -> Reply:
        """One exchange within `seconds` and `limit` bytes of answer. Raises TransportError."""

    async def aclose(self) -> None:
        """Close what is open."""


class _StaleError(TransportError):
    """A kept connection turned out to be closed before anything was answered on it."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and its bytes as they are sent."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes
    data: bytes


def _prepare(method: str, target: str, fields: list[tuple[str, str]], body: bytes) -> _Request:
    """Raises ValueError if the target or a header would break out of its place."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii")
    if not _ASKED.fullmatch(head) or head.count(b"\n") != len(fields) + 2:
        raise ValueError("the address or a header has a character that it may not have")
    return _Request(method, target, fields, body, head + body)


def _plain_head(data: bytes) -> tuple[int, dict[str, str], int, int] | None:
    """Status, headers, the body's start and length, if that is all there is to know about an answer."""
    found = _PLAIN.match(data)
    if found is None:
        return None
    headers: dict[str, str] = {}
    for line in found[2].decode("latin-1").removesuffix("\r\n").split("\r\n"):
        name, _, value = line.partition(":")
        if headers.setdefault(name.lower(), value := value.strip(" \t")) != value:
            return None
    status, length = int(found[1]), headers.get("content-length", "")
    if (
        status in {204, 304}
        or not length.isdecimal()
        or not headers.keys().isdisjoint({"transfer-encoding", "connection"})
    ):
        return None
    return status, headers, found.end(), int(length)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.used = False

    @property
    def stale(self) -> bool:
        """The peer has closed it."""
        return self._writer.is_closing() or self._reader.at_eof()

    async def exchange(self, request: _Request, limit: int) -> tuple[Reply, bool]:
        """The answer, and whether the connection can be used again."""
        self._writer.write(request.data)
        kept, self.used = self.used, True
        try:
            await self._writer.drain()
            first = await self._reader.read(_READ)
        except ConnectionError as error:
            raise (_StaleError if kept else TransportError)(str(error)) from error
        if not first:
            raise (_StaleError if kept else TransportError)("the connection was closed without an answer")
        head = _plain_head(first)
        if head is None:
            return await self._any_answer(request, first, limit)
        status, headers, start, length = head
        if length > limit:
            raise AnswerTooLargeError(f"the answer is larger than {limit} bytes")
        body = first[start:]
        if len(body) < length:
            body += await self._reader.readexactly(length - len(body))
        return Reply(status, headers, body[:length]), len(body) == length

    async def _any_answer(self, request: _Request, first: bytes, limit: int) -> tuple[Reply, bool]:
        state = h11.Connection(h11.CLIENT)
        state.send(h11.Request(method=request.method, target=request.target, headers=request.fields))
        state.send(h11.Data(data=request.body))
        state.send(h11.EndOfMessage())
        state.receive_data(first)
        head, parts, size = None, list[bytes](), 0
        while True:
            event = state.next_event()
            if event is h11.NEED_DATA:
                state.receive_data(await self._reader.read(_READ))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > limit:
                    raise AnswerTooLargeError(f"the answer is larger than {limit} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise TransportError("the connection was closed before the answer ended")
        if head is None:
            raise TransportError("the answer has no head")
        done = state.our_state is h11.DONE and state.their_state is h11.DONE
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
        return Reply(head.status_code, headers, b"".join(parts)), done and not state.trailing_data[0]

    def close(self) -> None:
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed; a peer that does not answer the end of TLS is not waited for long."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()


class PooledClient:
    """An `HttpClient` over asyncio streams."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, int], list[_Connection]] = defaultdict(list)
        self._tls: ssl.SSLContext | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float, limit: int
    ) -> Reply:
        try:
            parts = urlsplit(url)
            origin = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise TransportError(f"{url!r} is not an HTTP address")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            fields = [("Host", parts.netloc.rpartition("@")[2]), ("Content-Length", str(len(body)))]
            fields += [(name, value) for name, value in headers.items() if name.lower() not in _FRAMING]
            request = _prepare(method, target, fields, body)
            async with asyncio.timeout(seconds):
                try:
                    return await self._send(origin, request, limit)
                except _StaleError:
                    return await self._send(origin, request, limit, fresh=True)
        except TimeoutError as error:
            raise TransportError(f"no answer within {seconds:g} s") from error
        except (OSError, ValueError, h11.ProtocolError, asyncio.IncompleteReadError) as error:
            raise TransportError(str(error) or type(error).__name__) from error

    async def _send(self, origin: tuple[str, str, int], request: _Request, limit: int, *, fresh: bool = False) -> Reply:
        connection = (None if fresh else self._take_idle(origin)) or await self._connect(origin)
        reusable = False
        try:
            reply, reusable = await connection.exchange(request, limit)
        finally:
            if reusable and len(self._idle[origin]) < _IDLE_PER_ORIGIN:
                self._idle[origin].append(connection)
            else:
                connection.close()
        return reply

    def _take_idle(self, origin: tuple[str, str, int]) -> _Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if not connection.stale:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: tuple[str, str, int]) -> _Connection:
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            streams = await asyncio.open_connection(host, port, ssl=self._tls if scheme == "https" else None)
        except OSError as error:
            raise UnreachableError(str(error)) from error
        return _Connection(*streams)

    async def aclose(self) -> None:
        connections = [connection for idle in self._idle.values() for connection in idle]
        self._idle.clear()
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection in connections))
