"""One worker's socket: the handshake, and the messages that go to and fro until it closes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..core import Core
from ..errors import EngineError
from ..registration import register
from ..strict import parse_json
from . import messages
from .messages import Kind
from .wire import decode, encode

if TYPE_CHECKING:
    from .gateway import Gateway

log = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 10.0
HEARTBEAT_SECONDS = 10
EXTEND_LEASE_SECONDS = 5
_MISSED_HEARTBEATS = 3
_REFUSED, _GOING_AWAY = 4000, 1001


class Connection:
    """A worker that is connected: which functions it has, and how many calls it works on."""

    def __init__(self, gateway: Gateway, socket: WebSocket) -> None:
        self._gateway = gateway
        self._socket = socket
        self.apps: dict[str, str] = {}
        self.most = 0
        self.ready = False
        self.busy: set[str] = set()

    @property
    def free(self) -> bool:
        """Whether it takes another call."""
        return self.ready and (not self.most or len(self.busy) < self.most)

    async def send(self, kind: Kind, table: Any = None, values: Mapping[str, Any] | None = None) -> None:
        """Send a message; one to a socket that is closing is lost, as any may be."""
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.send_bytes(messages.message(kind, table, values))

    async def serve(self, core: Core, tokens: MutableMapping[str, str]) -> None:
        """Speak with the worker until its socket closes. `tokens` has those that were handed out, by connection ids."""
        await self._socket.accept(subprotocol=messages.PROTOCOL)
        try:
            await self.send(Kind.GATEWAY_HELLO)
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                wanted = await self._receive(Kind.WORKER_CONNECT)
            await self._accept(core, decode(messages.WORKER_CONNECT, wanted), tokens)
            await self._listen()
        except EngineError as error:
            log.warning("a worker was refused: %s", error.message)
            values = {"code": "connect_worker_refused", "message": error.message}
            await self.send(Kind.SYNC_FAILED, messages.SYSTEM_ERROR, values)
            await self.close(_REFUSED)
        except (TimeoutError, ValueError, KeyError) as error:
            log.warning("a worker's connection was ended: %s", str(error) or "it was silent for too long")
            await self.close(_REFUSED)
        except WebSocketDisconnect:
            pass
        finally:
            self.ready = False

    async def _accept(self, core: Core, wanted: Mapping[str, Any], tokens: MutableMapping[str, str]) -> None:
        expected = tokens.pop(wanted["connection_id"], "")
        given = wanted["auth_data"]["session_token"]
        if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
            raise EngineError("the session token is wrong", 401)
        for app in wanted["apps"]:
            functions = parse_json(app["functions"] or b"[]")
            await register(
                core,
                {
                    "appname": app["app_name"],
                    "url": "wss://connect",
                    "sdk": f"{wanted['sdk_language']}:{wanted['sdk_version']}",
                    "framework": "connect",
                    "functions": functions,
                },
            )
            self.apps |= {str(function["id"]): app["app_name"] for function in functions}
        self.most = int(wanted["max_worker_concurrency"])
        intervals = {"heartbeat_interval": HEARTBEAT_SECONDS, "extend_lease_interval": EXTEND_LEASE_SECONDS}
        values = {name: f"{seconds}s" for name, seconds in intervals.items()}
        await self.send(Kind.GATEWAY_CONNECTION_READY, messages.CONNECTION_READY, values)
        if not wanted["worker_manual_readiness_ack"]:
            self._is_ready()

    def _is_ready(self) -> None:
        self.ready = True
        self._gateway.has_place(self)

    async def _listen(self) -> None:
        while True:
            async with asyncio.timeout(HEARTBEAT_SECONDS * _MISSED_HEARTBEATS):
                received = decode(messages.MESSAGE, await self._socket.receive_bytes())
            kind, payload = received["kind"], received["payload"]
            if kind == Kind.WORKER_HEARTBEAT:
                await self.send(Kind.GATEWAY_HEARTBEAT)
            elif kind == Kind.WORKER_READY:
                self._is_ready()
            elif kind == Kind.WORKER_PAUSE:
                self.ready = False
            elif kind == Kind.WORKER_REQUEST_ACK:
                self._gateway.extend(decode(messages.REQUEST_ACK, payload)["request_id"])
            elif kind == Kind.WORKER_REQUEST_EXTEND_LEASE:
                await self._extend(decode(messages.EXTEND_LEASE, payload))
            elif kind == Kind.WORKER_REPLY:
                request_id = self._gateway.answer(payload)
                await self.send(Kind.WORKER_REPLY_ACK, messages.REPLY_ACK, {"request_id": request_id})

    async def _extend(self, asked: dict[str, Any]) -> None:
        """A lease that is not known any more gets no new id, which tells the worker to stop."""
        lease = self._gateway.extend(asked["request_id"])
        await self.send(
            Kind.WORKER_REQUEST_EXTEND_LEASE_ACK, messages.EXTEND_LEASE_ACK, {**asked, "new_lease_id": lease}
        )

    async def _receive(self, kind: Kind) -> bytes:
        received = decode(messages.MESSAGE, await self._socket.receive_bytes())
        if received["kind"] != kind:
            raise ValueError(f"{kind.name} was expected")
        payload: bytes = received["payload"]
        return payload

    async def call(self, values: Mapping[str, Any]) -> None:
        """Send a call to the worker."""
        await self.send(Kind.GATEWAY_EXECUTOR_REQUEST, messages.EXECUTOR_REQUEST, values)

    async def close(self, code: int = _GOING_AWAY) -> None:
        """Tell the worker to connect anew, and close the socket."""
        if code == _GOING_AWAY:
            await self.send(Kind.GATEWAY_CLOSING)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(code)


def start_response(connection_id: str, endpoint: str, token: str) -> bytes:
    """The answer to a worker that wants to connect."""
    return encode(
        messages.START,
        {
            "connection_id": connection_id,
            "gateway_endpoint": endpoint,
            "gateway_group": "riveredge",
            "session_token": token,
            "sync_token": token,
        },
    )
