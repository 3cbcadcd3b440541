"""A real HTTP/2 server over TLS, for tests of what speaks nothing else."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from riveredge_sdk.testing.http import ReceivedCall, Reply


@dataclass(slots=True)
class _Stream:
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2Peer:
    """Answers on a port of its own, and keeps what it was asked, as `HttpPeer` does.

    `connections` counts those that came so far.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.calls: list[ReceivedCall] = []
        self.connections = 0
        self.reply: Callable[[ReceivedCall], Reply | None] = lambda _call: Reply()
        context.set_alpn_protocols(["h2"])
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: set[ssl.SSLSocket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> "Http2Peer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()
        self._thread.join()

    def hang_up(self) -> None:
        """Close the connections there are."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with suppress(OSError, ProtocolError), self._context.wrap_socket(plain, server_side=True) as tls:
            self._open.add(tls)
            try:
                self._serve(tls)
            finally:
                self._open.discard(tls)

    def _serve(self, tls: ssl.SSLSocket) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        tls.sendall(connection.data_to_send())
        streams: dict[int, _Stream] = {}
        while data := tls.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    streams[event.stream_id] = _Stream({str(name): str(value) for name, value in event.headers})
                elif isinstance(event, DataReceived):
                    streams[event.stream_id].body += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    if not self._answer(connection, event.stream_id, streams.pop(event.stream_id)):
                        return
                elif isinstance(event, ConnectionTerminated):
                    return
            tls.sendall(connection.data_to_send())

    def _answer(self, connection: H2Connection, stream_id: int, stream: _Stream) -> bool:
        headers = stream.headers
        call = ReceivedCall(headers[":method"], headers[":path"], headers, bytes(stream.body))
        self.calls.append(call)
        reply = self.reply(call)
        if reply is None:
            return False
        lines = {name.lower(): value for name, value in reply.headers.items()}
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        connection.send_headers(stream_id, [(":status", str(reply.status)), *lines.items()], end_stream=not body)
        if body:
            connection.send_data(stream_id, body, end_stream=True)
        return True


__all__ = ["Http2Peer"]
