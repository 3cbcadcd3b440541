"""What an app answered to a call: the function's result, the steps it reports, or an error."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .clock import RealClock, parse_iso
from .signing import verify
from .strict import parse_json
from .transport import Reply

_SIGNATURE = "x-inngest-signature"


class Op(NamedTuple):
    """One reported step. `id` is the step's hash; `name` means something else for each kind (see the protocol)."""

    op: str
    id: str
    name: str
    display: str
    opts: dict[str, Any]
    data: Any
    error: dict[str, Any] | None


@dataclass(slots=True)
class Outcome:
    """Exactly one of `output` (JSON text), `ops` and `error` is set; `retry_at` is in the app's wall time."""

    status: int
    output: str | None = None
    ops: list[Op] | None = None
    error: dict[str, Any] | None = None
    retry: bool = True
    retry_at: int | None = None
    unreachable: bool = field(default=False)


def failure(message: str, *, status: int = 0, retry: bool = True, unreachable: bool = False) -> Outcome:
    """An outcome that is no answer of a function."""
    error = {"name": "Error", "message": message, "stack": None}
    return Outcome(status, error=error, retry=retry, unreachable=unreachable)


def read_reply(reply: Reply, signing_key: str | None) -> Outcome:
    """Read the answer to a call. With a signing key, an answer that is not signed by it counts for nothing."""
    headers, status, body = reply.headers, reply.status, reply.body
    if "x-inngest-sdk" not in headers:
        return failure(f"the address answered with status {status}, but it is not an Inngest SDK", status=status)
    if signing_key and not verify(signing_key, b"null" if status == 201 else body, headers.get(_SIGNATURE)):
        return failure("the answer is not signed by the app's key", status=status)
    if status == 201:
        try:
            status, headers, body = _unwrap_stream(body, headers)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return failure("the streamed answer ended before its result", status=201)
    return _read_content(status, headers, body)


def _read_content(status: int, headers: dict[str, str], body: bytes) -> Outcome:
    try:
        parsed = parse_json(body or b"null")
    except ValueError:
        return failure(f"the answer with status {status} is not JSON", status=status)
    if status == 200:
        return Outcome(200, output=json.dumps(parsed, separators=(",", ":")))
    if status == 206:
        return _read_ops(parsed, headers)
    return _read_error(status, parsed, headers)


def _unwrap_stream(body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """A streamed answer: spaces while the function works, then an envelope with the real one."""
    envelope = parse_json(body)
    inner = {str(name).lower(): str(value) for name, value in (envelope.get("headers") or {}).items()}
    content = envelope["body"]
    text = content if isinstance(content, str) else json.dumps(content)
    return int(envelope["status"]), {**headers, **inner}, text.encode()


def _read_ops(parsed: Any, headers: dict[str, str]) -> Outcome:
    raw = parsed if isinstance(parsed, list) else [parsed]
    try:
        ops = [read_op(item) for item in raw if item.get("op") != "None"]
    except (AttributeError, KeyError, TypeError):
        return failure("the answer is not a list of steps", status=206)
    return Outcome(206, ops=ops, retry=not _no_retry(headers), retry_at=_retry_at(headers))


def read_op(item: dict[str, Any]) -> Op:
    """One reported step. Raises KeyError, TypeError or AttributeError if it is none."""
    name = str(item.get("name") or "")
    return Op(
        op=str(item["op"]), id=str(item["id"]), name=name, display=str(item.get("displayName") or name),
        opts=item.get("opts") or {}, data=item.get("data"), error=item.get("error"),
    )  # fmt: skip


def _read_error(status: int, parsed: Any, headers: dict[str, str]) -> Outcome:
    error = parsed if isinstance(parsed, dict) else {"message": json.dumps(parsed)}
    kept = {"name": error.get("name") or "Error", "message": error.get("message") or "", "stack": error.get("stack")}
    if code := error.get("code"):
        kept["code"] = code
    return Outcome(
        status, error=kept, retry=not _no_retry(headers) and status != 400, retry_at=_retry_at(headers)
    )  # fmt: skip


def _no_retry(headers: dict[str, str]) -> bool:
    return headers.get("x-inngest-no-retry", "").lower() == "true"


def _retry_at(headers: dict[str, str]) -> int | None:
    """The wall time of `retry-after` as ISO 8601; a number of seconds is counted from now."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return parse_iso(value)
    except ValueError:
        # A day is the longest that is waited for; more digits say nothing.
        return RealClock().now_ms() + int(value[:6]) * 1000 if value.isascii() and value.isdecimal() else None
