"""Registration: an app's payload replaces its whole set of functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from . import cron
from .config import FunctionConfig, parse_function
from .core import Core
from .errors import ConfigError
from .ids import app_uuid, function_uuid
from .registry import Registry
from .store import Tx
from .store import registry as rows


async def register(core: Core, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Store an app and its functions. An identical registration changes nothing.

    Raises:
        ConfigError: the payload, or one of its functions, breaks a rule.
    """
    lowered = {str(key).lower().replace("_", ""): value for key, value in payload.items()}
    name, url, functions = lowered.get("appname"), lowered.get("url"), lowered.get("functions")
    if not isinstance(name, str) or not name:
        raise ConfigError("the payload has no appName")
    if not isinstance(url, str) or not url:
        raise ConfigError("the payload has no url")
    if not isinstance(functions, list) or not all(isinstance(item, Mapping) for item in functions):
        raise ConfigError("the payload has no list of functions")
    configs = [parse_function(item) for item in functions]
    if len({config.slug for config in configs}) != len(configs):
        raise ConfigError("two functions have the same id")
    text = json.dumps([url, functions], sort_keys=True)
    app = rows.AppRow(
        app_uuid(name), name, url, str(lowered.get("sdk") or ""), str(lowered.get("framework") or ""),
        hashlib.sha256(text.encode()).hexdigest(), core.now(),
    )  # fmt: skip
    known = core.registry.apps.get(app.id)
    modified = known is None or known.checksum != app.checksum
    if modified:
        await core.db.write(lambda tx: _store(core, tx, app, configs, functions))
    return {"ok": True, "modified": modified, "app_id": app.id}


def _store(core: Core, tx: Tx, app: rows.AppRow, configs: list[FunctionConfig], raw: list[Mapping[str, Any]]) -> None:
    versions = {function.id: function.version for function in core.registry.functions.values()}
    rows.save_app(tx, app)
    made: list[rows.FunctionRow] = []
    for config, source in zip(configs, raw, strict=True):
        function_id = function_uuid(app.name, config.slug)
        version = versions.get(function_id, -1) + 1
        made.append(rows.FunctionRow(function_id, app.id, config.slug, json.dumps(source), version, 0))
    rows.save_functions(tx, app.id, made)
    fresh = Registry()
    fresh.load(tx)
    cron.plan(core, tx, fresh)

    def publish() -> None:
        core.registry = fresh

    tx.after(publish)
