"""The request of a call: address, headers and body as the protocol has them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .core import Core
from .models import Item, Kind, Run
from .registry import Function
from .signing import canonical_body, sign
from .store import events as event_rows
from .store import steps as step_rows

DISCOVERY = "step"
_VERSION = 2


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What is sent for a queue item; `done` is how many finished steps the app is told of."""

    url: str
    headers: dict[str, str]
    body: bytes
    done: int


def build(core: Core, item: Item, run: Run, function: Function) -> CallRequest:
    """The request for a call. A state that is too large for it is left for the app to fetch (`use_api`)."""
    memos = step_rows.memos(core.db, run.id)
    bodies = event_rows.bodies_of_run(core.db, run.id)
    first = bodies[0] if bodies else "{}"
    size = sum(len(memo.json) + 48 for memo in memos) + sum(map(len, bodies)) + len(first) + 2048
    use_api = size > core.options.max_request_bytes
    request_id = core.ulids.new(core.now())
    context = {
        "attempt": item.attempt,
        "disable_immediate_execution": run.planned,
        "env": "",
        "fn_id": function.id,
        "job_id": str(item.id),
        "max_attempts": function.max_attempts,
        "qi_id": dispatch_id(item),
        "request_id": request_id,
        "run_id": run.id,
        "stack": {"current": len(memos), "stack": [memo.hash for memo in memos]},
        "step_id": item.step or DISCOVERY,
        "use_api": use_api,
    }
    steps = "" if use_api else ",".join(f'"{memo.hash}":{memo.json}' for memo in memos)
    events = "" if use_api else ",".join(bodies)
    body = (
        f'{{"ctx":{json.dumps(context)},"event":{first},"events":[{events}],"steps":{{{steps}}},'
        f'"use_api":{json.dumps(use_api)},"version":{_VERSION}}}'
    ).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "riveredge-engine",
        "x-request-id": request_id,
        "x-run-id": run.id,
        "x-inngest-job-id": str(item.id),
        "x-inngest-req-version": str(_VERSION),
        "x-inngest-step-id": item.step or DISCOVERY,
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        **server_headers(core),
    }
    if core.options.signing_key is not None:
        body = canonical_body(body)
        headers["x-inngest-signature"] = sign(core.options.signing_key, body)
    aim = item.step if item.kind == Kind.STEP else DISCOVERY
    return CallRequest(_address(function.config.url, function.slug, aim), headers, body, len(memos))


def dispatch_id(item: Item) -> str:
    """Names one call of a queue item, so that a checkpoint of one that was given up is recognised."""
    return f"{item.id}.{item.attempt}"


def server_headers(core: Core) -> dict[str, str]:
    """What kind of server this is to an SDK: with a signing key it expects the app to be in production mode."""
    return {"x-inngest-server-kind": "dev" if core.options.signing_key is None else "cloud"}


@lru_cache(maxsize=4096)
def _address(url: str, slug: str, step: str) -> str:
    """The registered address, aimed at one step where a planned step is due."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.setdefault("fnId", slug)
    query["stepId"] = step
    return urlunsplit(parts._replace(query=urlencode(query)))
