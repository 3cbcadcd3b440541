"""Steps whose HTTP request the engine makes itself, while the run waits: inference by a model, and plain requests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .core import Core
from .models import Item
from .responses import Op, Outcome
from .strict import parse_json
from .transport import HttpClient, TransportError

_TIMEOUT_SECONDS = 600.0
_ATTEMPT_STATUS = frozenset({408, 409, 425, 429})


async def call(core: Core, client: HttpClient, item: Item) -> Outcome:
    """Make the call that a step describes."""
    ask = _fetch if (item.payload or {}).get("op") == "Gateway" else _infer
    return await ask(core, client, item)


async def _fetch(core: Core, client: HttpClient, item: Item) -> Outcome:
    """A plain request: whatever is answered is the step's result."""
    opts = item.payload or {}
    try:
        headers = {str(name): str(value) for name, value in dict(opts.get("headers") or {}).items()}
        content, method = opts.get("body"), str(opts.get("method") or "GET").upper()
        body = (content if isinstance(content, str) else "" if content is None else json.dumps(content)).encode()
        reply = await client.request(
            method, str(opts["url"]), headers=headers, body=body, seconds=_TIMEOUT_SECONDS,
            limit=core.options.max_step_bytes,
        )  # fmt: skip
    except TransportError as error:
        return _outcome(item, None, f"{opts.get('url')} did not answer: {error}", retry=True)
    except (KeyError, TypeError, ValueError) as error:
        return _outcome(item, None, f"the request is invalid: {error}", retry=False)
    answer = {"status_code": reply.status, "headers": reply.headers, "body": reply.body.decode(errors="replace")}
    return _outcome(item, answer, None, retry=False)


async def _infer(core: Core, client: HttpClient, item: Item) -> Outcome:
    """A call of a model. Refusals other than overload are final."""
    opts = item.payload or {}
    try:
        url, headers = _authorised(str(opts["url"]), dict(opts.get("headers") or {}), opts)
        body = json.dumps(opts.get("body") or {}).encode()
        reply = await client.request(
            "POST", url, headers=headers, body=body, seconds=_TIMEOUT_SECONDS, limit=core.options.max_step_bytes
        )
    except TransportError as error:
        return _outcome(item, None, f"the model's end-point did not answer: {error}", retry=True)
    except (KeyError, TypeError, ValueError) as error:
        return _outcome(item, None, f"the inference request is invalid: {error}", retry=False)
    if reply.status >= 300:
        text = reply.body[:2000].decode(errors="replace")
        retry = reply.status >= 500 or reply.status in _ATTEMPT_STATUS
        return _outcome(item, None, f"the model's end-point answered with status {reply.status}: {text}", retry=retry)
    try:
        return _outcome(item, parse_json(reply.body), None, retry=False)
    except ValueError:
        return _outcome(item, None, "the model's end-point did not answer with JSON", retry=True)


def _authorised(url: str, headers: dict[str, str], opts: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Put the key where the provider's format has it."""
    kept = {name.lower(): str(value) for name, value in headers.items()}
    kept.setdefault("content-type", "application/json")
    key, style = str(opts.get("auth_key") or ""), str(opts.get("format") or "")
    if not key:
        return url, kept
    if style == "anthropic":
        kept.setdefault("x-api-key", key)
        kept.setdefault("anthropic-version", "2023-06-01")
    elif style == "gemini":
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | {"key": key}
        url = urlunsplit(parts._replace(query=urlencode(query)))
    else:
        kept.setdefault("authorization", f"Bearer {key}")
    return url, kept


def _outcome(item: Item, data: Any, problem: str | None, *, retry: bool) -> Outcome:
    error = None if problem is None else {"name": "Error", "message": problem}
    op = Op("StepRun" if error is None else "StepError", item.step, "", "", {}, data, error)
    return Outcome(206, ops=[op], retry=retry)
