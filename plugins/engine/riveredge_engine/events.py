"""The event API's input: what an event may look like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .errors import EngineError
from .ids import UlidFactory, seeded_ulids
from .models import Event
from .strict import is_text, parse_json

MAX_EVENT_BYTES = 3 * 1024 * 1024
MAX_EVENTS = 5_000
_EARLIEST = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)
_FIELDS = ("user", "v")


def parse_events(body: bytes) -> list[dict[str, Any]]:
    """One event or an array of them. Raises EngineError; nothing of a request with a bad event is taken in."""
    if not body.strip():
        return []
    try:
        parsed = parse_json(body)
    except ValueError as error:
        raise EngineError(f"the body is not JSON: {error}") from error
    return check_events(parsed if isinstance(parsed, list) else [parsed], size=len(body))


def check_events(raw: list[Any], size: int = 0) -> list[dict[str, Any]]:
    """Events that keep all rules; `size` is their request's, in bytes. Raises EngineError."""
    if len(raw) > MAX_EVENTS:
        raise EngineError(f"a request has at most {MAX_EVENTS} events")
    if size > MAX_EVENT_BYTES:
        oversized = (item for item in raw if len(json.dumps(item)) > MAX_EVENT_BYTES)
        if next(oversized, None) is not None:
            raise EngineError(f"an event has at most {MAX_EVENT_BYTES} bytes", 413)
    for item in raw:
        _validate(item)
    return raw


def _validate(item: Any) -> None:
    if not isinstance(item, dict):
        raise EngineError("an event is an object")
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise EngineError("event name is empty")
    if name.lower().startswith("inngest/"):
        raise EngineError("event name is reserved for internal use: inngest/")
    if not is_text(name):
        raise EngineError("event name has a character that is none")
    if not isinstance(item.get("data") or {}, dict):
        raise EngineError("event data is not an object")
    if not isinstance(item.get("id") or "", str) or not is_text(item.get("id") or ""):
        raise EngineError("event id is not a string")
    ts = item.get("ts") or 0
    if isinstance(ts, bool) or not isinstance(ts, int):
        raise EngineError("event ts is not a whole number of milliseconds")
    if ts and not _EARLIEST <= ts <= _LATEST:
        raise EngineError("event ts is before 1980 or after 2100")


def build_events(raw: Sequence[dict[str, Any]], *, now: int, ulids: UlidFactory, seed: str | None) -> list[Event]:
    """Give validated events their ids, and drop what only the engine may say. Raises EngineError for a bad seed."""
    try:
        ids = seeded_ulids(seed, len(raw)) if seed else [ulids.new(now) for _ in raw]
    except ValueError as error:
        raise EngineError(f"invalid x-inngest-event-id-seed: {error}") from error
    return [_build(item, event_id, now) for item, event_id in zip(raw, ids, strict=True)]


def _build(item: dict[str, Any], event_id: str, now: int) -> Event:
    external_id = item.get("id") or ""
    ts = item.get("ts") or now
    data = {key: value for key, value in (item.get("data") or {}).items() if key != "_inngest"}
    body = {"data": data, "id": external_id or event_id, "name": item["name"], "ts": ts}
    body |= {field: item[field] for field in _FIELDS if item.get(field) is not None}
    return Event(event_id, item["name"], external_id, ts, now, body)
