"""A client of the live stream for tests: a real WebSocket, opened with a ticket as a browser does it."""

import json
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from riveredge_sdk.testing.platform import ApiClient


class StreamClosedError(Exception):
    """The server has closed the connection; `code` and `reason` say why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class StreamClient:
    """One connection::

    with StreamClient(client) as live:
        live.subscribe("example.notes")
        client.post("/api/v1/example/notes", json={"title": "Milk"})
        assert live.next()["what"] == "written"
    """

    def __init__(self, client: ApiClient, **options: Any) -> None:
        """
        Args:
            client: who follows; it gets the ticket.
            options: further arguments of `websockets.sync.client.connect`, for example `origin`.
        """
        self._client = client
        self._options = options
        self._socket: ClientConnection | None = None
        self._open = ExitStack()

    def __enter__(self) -> "StreamClient":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def socket(self) -> ClientConnection:
        """The connection itself."""
        assert self._socket is not None, "open() first"
        return self._socket

    def ticket(self) -> str:
        """A fresh ticket."""
        answer = self._client.post("/api/v1/stream/tickets")
        answer.raise_for_status()
        ticket: str = answer.json()["ticket"]
        return ticket

    def open(self, ticket: str | None = None) -> dict[str, Any]:
        """Connect; the server's greeting."""
        base = str(self._client.base_url).rstrip("/").replace("http", "ws", 1)
        address = f"{base}/api/v1/stream?ticket={ticket or self.ticket()}"
        options = {"proxy": None, "compression": None, **self._options}
        self.close()
        self._socket = self._open.enter_context(connect(address, **options))
        return self.receive()

    def close(self) -> None:
        """Disconnect."""
        self._open.close()

    def send(self, **message: Any) -> None:
        """Say something."""
        self.socket.send(json.dumps(message))

    def receive(self, timeout: float = 20) -> dict[str, Any]:
        """What the server says next, whatever it is, without heartbeats.

        Raises:
            StreamClosedError: it has closed the connection.
            TimeoutError: it says nothing.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                message: dict[str, Any] = json.loads(self.socket.recv(max(deadline - time.monotonic(), 0.001)))
            except ConnectionClosed as closed:
                received = closed.rcvd
                raise StreamClosedError(
                    received.code if received else 1006, received.reason if received else ""
                ) from None
            if message["type"] != "heartbeat":
                return message

    def subscribe(self, topic: str, key: UUID | str | None = None, *, since: int | None = None) -> dict[str, Any]:
        """Follow a channel; the server's answer: `subscribed` or `error`."""
        self.send(type="subscribe", topic=topic, key=str(key) if key is not None else None, since=since)
        return self.receive()

    def next(self, timeout: float = 20) -> dict[str, Any]:
        """The next push, or the word that some were missed (`gap`)."""
        while True:
            message = self.receive(timeout)
            if message["type"] in {"message", "gap"}:
                return message

    def closed(self, timeout: float = 20) -> StreamClosedError:
        """Why the server closed the connection, once it has."""
        try:
            while True:
                self.receive(timeout)
        except StreamClosedError as closed:
            return closed


__all__ = ["StreamClient", "StreamClosedError"]
