"""How apps become known: they register, or the engine asks an address to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import cron
from .config import FunctionConfig, parse_function
from .core import Core
from .errors import ConfigError, EngineError
from .ids import app_uuid, function_uuid
from .registry import Registry
from .requests import server_headers
from .signing import canonical_json, sign, verify
from .store import Tx
from .store import registry as rows
from .transport import HttpClient, TransportError

log = logging.getLogger(__name__)

_ASK_SECONDS = 30.0
_ANSWER_BYTES = 16 * 1024 * 1024
_POLL_SECONDS = 5.0
_FIRST_POLL_SECONDS = 0.25


class Registered(NamedTuple):
    """The answer to a registration."""

    app_id: str
    sync_id: str
    modified: bool


class _Registration(NamedTuple):
    name: str
    url: str
    sdk: str
    framework: str
    functions: list[dict[str, Any]]
    configs: list[FunctionConfig]


async def register(core: Core, payload: Any) -> Registered:
    """Replace an app's functions by those of a registration; what is missing from it is archived.

    The same registration again changes nothing. Raises EngineError.
    """
    wanted = _read(payload)
    app_id = app_uuid(wanted.name)
    checksum = hashlib.sha256(json.dumps([wanted.url, wanted.functions], sort_keys=True).encode()).hexdigest()
    known = core.registry.apps.get(app_id)
    if known is not None and known.checksum == checksum:
        return Registered(app_id, checksum[:32], modified=False)
    app = rows.AppRow(app_id, wanted.name, wanted.url, wanted.sdk, wanted.framework, checksum, core.now())
    await core.db.write(lambda tx: _replace(core, tx, app, wanted))
    log.info("registered %s with %d functions", wanted.name, len(wanted.configs))
    return Registered(app_id, checksum[:32], modified=True)


def _read(payload: Any) -> _Registration:
    if not isinstance(payload, Mapping):
        raise EngineError("a registration is an object")
    # SDKs spell the same fields differently: appName, appname and, in an in-band answer, app_id.
    fields = {str(key).lower().replace("_", ""): value for key, value in payload.items()}
    name = fields.get("appname") or fields.get("appid")
    functions = fields.get("functions")
    if not isinstance(name, str) or not name:
        raise ConfigError("the registration has no app name")
    if not isinstance(functions, Sequence) or not functions or not all(isinstance(f, Mapping) for f in functions):
        raise ConfigError(f"{name}: the registration has no functions")
    configs = [parse_function(function) for function in functions]
    slugs = [config.slug for config in configs]
    if twice := next((slug for slug in slugs if slugs.count(slug) > 1), None):
        raise ConfigError(f"{name}: the function {twice} stands twice")
    sdk = str(fields.get("sdk") or f"{fields.get('sdklanguage', '')}:v{fields.get('sdkversion', '')}")
    framework, url = str(fields.get("framework") or ""), str(fields.get("url") or configs[0].url)
    return _Registration(name, url, sdk, framework, [dict(function) for function in functions], configs)


def _replace(core: Core, tx: Tx, app: rows.AppRow, wanted: _Registration) -> None:
    versions = {row.id: row.version for row in rows.functions(tx)}
    rows.save_app(tx, app)
    rows.save_functions(
        tx, app.id, [_row(app, raw, versions) for raw in wanted.functions]
    )  # fmt: skip
    registry = Registry()
    registry.load(tx)
    cron.plan(core, tx, registry)
    tx.after(lambda: setattr(core, "registry", registry))
    tx.after(core.on_registered)


def _row(app: rows.AppRow, raw: dict[str, Any], versions: Mapping[str, int]) -> rows.FunctionRow:
    function_id = function_uuid(app.name, raw["id"])
    version = versions.get(function_id, 0) + 1
    return rows.FunctionRow(function_id, app.id, raw["id"], json.dumps(raw), version, 0)


class Discovery:
    """Asks given addresses for their functions until they answer, and again and again to see changes."""

    def __init__(self, core: Core, client: HttpClient, urls: Iterable[str]) -> None:
        self._core = core
        self._client = client
        self._urls = tuple(urls)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._poll(url), name=f"discover {url}") for url in self._urls]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _poll(self, url: str) -> None:
        pause, problem = _FIRST_POLL_SECONDS, ""
        while True:
            try:
                await ask(self._core, self._client, url)
                pause, problem = _POLL_SECONDS, ""
            except EngineError as error:
                if error.message != problem:
                    problem = error.message
                    log.warning("%s", problem)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _POLL_SECONDS)


async def ask(core: Core, client: HttpClient, url: str) -> None:
    """Ask an app to register: it answers with its functions (in-band), or sends them by itself. Raises EngineError."""
    key = core.options.signing_key
    body = canonical_json({"url": url})
    headers = {"content-type": "application/json", "user-agent": "riveredge-engine", **server_headers(core)}
    if key is not None:
        headers |= {"x-inngest-sync-kind": "in_band", "x-inngest-signature": sign(key, body)}
    try:
        reply = await client.request(
            "PUT", url, headers=headers, body=body, seconds=_ASK_SECONDS, limit=_ANSWER_BYTES
        )  # fmt: skip
    except TransportError as error:
        raise EngineError(f"{url} does not answer: {error}", 502) from error
    if reply.status >= 300 or "x-inngest-sdk" not in reply.headers:
        text = reply.body[:500].decode(errors="replace")
        raise EngineError(f"{url} did not register: status {reply.status} {text}", 502)
    if reply.headers.get("x-inngest-sync-kind") == "in_band":
        if key is None or not verify(key, reply.body, reply.headers.get("x-inngest-signature")):
            raise EngineError(f"{url} answered with a registration that is not signed", 502)
        await register(core, json.loads(reply.body))
