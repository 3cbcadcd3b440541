"""The messages of Connect, by their numbers in the public protocol."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from .wire import Field, Table, encode

PROTOCOL = "v0.connect.inngest.com"


class Kind(IntEnum):
    """What a message on the socket is about."""

    GATEWAY_HELLO = 0
    WORKER_CONNECT = 1
    GATEWAY_CONNECTION_READY = 2
    GATEWAY_EXECUTOR_REQUEST = 3
    WORKER_READY = 4
    WORKER_REQUEST_ACK = 5
    WORKER_REPLY = 6
    WORKER_REPLY_ACK = 7
    WORKER_PAUSE = 8
    WORKER_HEARTBEAT = 9
    GATEWAY_HEARTBEAT = 10
    GATEWAY_CLOSING = 11
    WORKER_REQUEST_EXTEND_LEASE = 12
    WORKER_REQUEST_EXTEND_LEASE_ACK = 13
    SYNC_FAILED = 14


def _texts(**numbers: int) -> Table:
    return {number: Field(name, "text") for name, number in numbers.items()}


MESSAGE: Table = {1: Field("kind", "number"), 2: Field("payload", "bytes")}
START = _texts(connection_id=1, gateway_endpoint=2, gateway_group=3, session_token=4, sync_token=5)
APP: Table = _texts(app_name=1, app_version=2) | {4: Field("functions", "bytes")}
WORKER_CONNECT: Table = {
    1: Field("connection_id", "text"),
    2: Field("instance_id", "text"),
    3: Field("auth_data", _texts(session_token=1, sync_token=2)),
    5: Field("apps", APP, repeated=True),
    6: Field("worker_manual_readiness_ack", "flag"),
    11: Field("sdk_version", "text"),
    12: Field("sdk_language", "text"),
    14: Field("max_worker_concurrency", "number"),
}
CONNECTION_READY = _texts(heartbeat_interval=1, extend_lease_interval=2)
EXECUTOR_REQUEST: Table = _texts(
    request_id=1, account_id=2, env_id=3, app_id=4, app_name=5, function_id=6, function_slug=7, step_id=8, run_id=12,
    lease_id=13, job_id=14,
) | {9: Field("request_payload", "bytes")}  # fmt: skip
REQUEST_ACK = _texts(request_id=1)
EXTEND_LEASE = _texts(request_id=1, account_id=2, env_id=3, app_id=4, function_slug=5, step_id=6, run_id=9, lease_id=10)
EXTEND_LEASE_ACK = _texts(request_id=1, account_id=2, env_id=3, app_id=4, function_slug=5, new_lease_id=6)
REPLY: Table = _texts(request_id=1, retry_after=8, sdk_version=9) | {
    5: Field("status", "number"),
    6: Field("body", "bytes"),
    7: Field("no_retry", "flag"),
}
REPLY_ACK = _texts(request_id=1)
SYSTEM_ERROR = _texts(code=1, message=3)

# Of a reply: not completed, done, error.
STATUSES = {0: 206, 1: 200, 2: 500}


def message(kind: Kind, table: Table | None = None, values: Mapping[str, Any] | None = None) -> bytes:
    """A message on the socket with its payload."""
    return encode(MESSAGE, {"kind": kind, "payload": encode(table or {}, values or {})})
