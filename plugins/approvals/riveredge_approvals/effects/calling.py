"""One call of another system over a connection."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2

from riveredge_approvals.effects.connections import Reached
from riveredge_sdk import utcnow
from riveredge_sdk.webhooks import CallFailedError, call_out, check_headers, signature

MAX_BODY = 256_000
MAX_ANSWER = 256_000
SECONDS = 30.0


async def call(
    reached: Reached,
    method: str,
    path: str,
    *,
    key: str,
    headers: Mapping[str, str] = {},
    body: Any = None,
    seconds: float = SECONDS,
) -> httpx2.Response:
    """Call a path below the connection's address; its answer, if it is a 2xx.

    Args:
        key: the same over all attempts: sent as `Idempotency-Key`, and as `webhook-id` if calls are signed.
        headers: besides those of the connection, which count more.
        body: JSON; None: no body.

    Raises:
        CallFailedError: with whether another try may help.
    """
    if any(unquote(part) in {".", ".."} for part in urlsplit(path).path.split("/")):
        raise CallFailedError("The path leads out of the connection's address.", retry=False)
    try:
        check_headers(headers)
    except ValueError as wrong:
        raise CallFailedError(f"A header cannot be sent: {wrong}", retry=False) from None
    ours = {name.lower() for name in reached.headers}
    sent = {name: value for name, value in headers.items() if name.lower() not in ours} | dict(reached.headers)
    content = None
    if body is not None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        sent["Content-Type"] = "application/json"
        if len(content) > MAX_BODY:
            raise CallFailedError(f"The body has more than {MAX_BODY} bytes.", retry=False)
    sent["Idempotency-Key"] = key
    if reached.signing_secret is not None:
        sent |= signature(reached.signing_secret, key, int(utcnow().timestamp()), content or b"")
    return await call_out(
        method, reached.url(path), headers=sent, content=content, seconds=seconds, max_bytes=MAX_ANSWER
    )
