"""The engine's HTTP client against a server that sends what it is told, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from riveredge_engine.transport import (
    AnswerTooLargeError,
    PooledClient,
    Reply,
    TransportError,
    UnreachableError,
)

END = "end"


class Server:
    """Answers each request with the next of its scripts: pieces of bytes, and `END` to close the connection."""

    def __init__(self) -> None:
        self.scripts: list[list[bytes | str]] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.open: set[asyncio.Task[None] | None] = set()
        self.client = PooledClient()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                for number, piece in enumerate(self.scripts.pop(0)):
                    if number:
                        await asyncio.sleep(0.01)
                    if isinstance(piece, str):
                        raise ConnectionAbortedError
                    writer.write(piece)
                    await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def ask(self, *script: bytes | str, headers: dict[str, str] | None = None, limit: int = 1000) -> Reply:
        self.scripts.append(list(script))
        return await self.client.request("POST", self.url, headers=headers or {}, body=b"{}", seconds=5, limit=limit)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0) as listening:
        made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/api?x=1"
        yield made
        await made.client.aclose()
        await asyncio.gather(*(task for task in made.open if task is not None))


def plain(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def test_a_connection_is_used_again(server: Server) -> None:
    for number in range(3):
        reply = await server.ask(plain(b"%d" % number, b"X-Inngest-SDK:  py \t"), headers={"X-Mine": "yes"})
        assert (reply.status, reply.body, reply.headers["x-inngest-sdk"]) == (200, b"%d" % number, "py")
    assert server.connections == 1
    assert server.requests[0].startswith(b"POST /api?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Mine: yes\r\n" in server.requests[0]
    assert server.requests[0].endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    "script",
    [
        [b"HTTP/1.1 206 Partial", b" Content\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"],
        [b"HTTP/1.1 206\r\nContent-Length: 5\r\n\r\n", b"he", b"llo"],
        [b"HTTP/1.1 206 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"],
        [b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", plain(b"hello", status=b"206 x")],
        [plain(b"hello", b"Content-Length: 5", status=b"206 x")],
        [plain(b"hello", b"X-A: 1", b"X-A: 2", b"X-B: \x85 \xe4", status=b"206 x")],
    ],
)
async def test_answers_of_every_form(server: Server, script: list[bytes | str]) -> None:
    for _ in range(2):
        reply = await server.ask(*script)
        assert (reply.status, reply.body) == (206, b"hello")
    assert server.connections == 1


@pytest.mark.parametrize(
    "script",
    [
        [plain(b"hello", b"Connection: close"), END],
        [b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", END],
        [b"HTTP/1.0 200 OK\r\n\r\nhello", END],
        [plain(b"hello") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"],
        [plain(b"hello", b"Connection: keep-alive") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"],
    ],
)
async def test_what_cannot_be_used_again_is_not(server: Server, script: list[bytes | str]) -> None:
    assert (await server.ask(*script)).body == b"hello"
    assert (await server.ask(*script)).body == b"hello"
    assert server.connections == 2


@pytest.mark.parametrize(
    "script",
    [
        [END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", END],
        [b"HTTP/1.1 200 OK\r\nContent-", END],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", END],
        [b"hello\r\n\r\n", END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", END],
    ],
)
async def test_half_an_answer_is_none(server: Server, script: list[bytes | str]) -> None:
    with pytest.raises(TransportError):
        await server.ask(*script)


async def test_large_answers_are_refused(server: Server) -> None:
    with pytest.raises(AnswerTooLargeError):
        await server.ask(plain(b"x" * 11), limit=10)
    with pytest.raises(AnswerTooLargeError):
        await server.ask(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n", limit=10
        )
    assert (await server.ask(plain(b"x" * 10), limit=10)).body == b"x" * 10


async def test_a_request_is_sent_again_if_its_connection_had_been_closed(server: Server) -> None:
    assert (await server.ask(plain(b"a"))).body == b"a"
    server.scripts.append([END])
    assert (await server.ask(plain(b"b"))).body == b"b"
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nEvil: b"}, {"X": "a\nb"}, {"X\r\nEvil": "b"}, {"X": "\0"}, {"": "x"}, {"X": " x"}, {"X": "ü"}],
)
async def test_headers_stay_in_their_place(server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(TransportError):
        await server.ask(plain(b""), headers=headers)
    assert server.requests == []


async def test_the_framing_is_the_clients_own(server: Server) -> None:
    await server.ask(plain(b""), headers={"Content-length": "9", "Transfer-Encoding": "chunked", "host": "x", "X": ""})
    assert server.requests[0].lower().count(b"content-length") == 1
    assert b"chunked" not in server.requests[0]
    assert b"host: x" not in server.requests[0]


@pytest.mark.parametrize("url", ["ftp://localhost/", "http://", "http://localhost/a b", "nothing"])
async def test_addresses_that_are_none(server: Server, url: str) -> None:
    with pytest.raises(TransportError):
        await server.client.request("GET", url, headers={}, body=b"", seconds=5, limit=10)


async def test_nobody_listens(server: Server) -> None:
    with pytest.raises(UnreachableError):
        await server.client.request("GET", "http://127.0.0.1:1/", headers={}, body=b"", seconds=5, limit=10)
