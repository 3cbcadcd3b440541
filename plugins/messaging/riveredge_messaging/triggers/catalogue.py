"""The events that rules may be about, and what there is in each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from riveredge_sdk import EventType, Plugin, contributions

# Fields of events are named like this in conditions and in what rules take from them.
ROOT = "event"
_DEPTH = 4
_FORMATS = {"date": "date", "date-time": "datetime"}
_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "array": "list"}


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event with its fields: their types by full name. `open` are objects of which nobody knows what is in them."""

    type: EventType[Any]
    schema: Mapping[str, Any]
    fields: Mapping[str, str]

    def kind(self, name: str) -> str | None:
        """The type of a field; None: not known before there is a value."""
        return self.fields.get(name)

    def has(self, name: str) -> bool:
        """Whether there is, or may be, such a field."""
        if name in self.fields:
            return True
        parts = name.split(".")
        return any(self.fields.get(".".join(parts[:length])) == "object" for length in range(2, len(parts)))


def events() -> dict[str, KnownEvent]:
    """Those that plugins tell others of, by name; not of this one, which would send because it has sent."""
    return {
        found.name: known(found)
        for found in sorted(contributions(Plugin.event_types), key=lambda each: each.name)
        if found.plugin != "messaging" and not found.internal
    }


def known(event: EventType[Any]) -> KnownEvent:
    """The event with its fields."""
    schema = event.payload.model_json_schema()
    return KnownEvent(event, schema, dict(_fields(ROOT, schema, schema.get("$defs", {}), _DEPTH)))


def _fields(name: str, schema: Mapping[str, Any], parts: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    for key, raw in schema.get("properties", {}).items():
        found = _resolved(raw, parts)
        full, kind = f"{name}.{key}", _kind(found)
        if kind == "object" and found.get("properties") and depth > 1:
            yield from _fields(full, found, parts, depth - 1)
        else:
            yield full, kind


def _resolved(raw: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference, or a choice between something and null, stands for."""
    for _ in range(_DEPTH):
        if "$ref" in raw:
            raw = parts.get(str(raw["$ref"]).rpartition("/")[2], {})
        options = [each for each in raw.get("anyOf", ()) if each.get("type") != "null"]
        if len(options) == 1:
            raw = options[0]
    return raw


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "enum" in schema or "const" in schema:
        return "string"
    return _TYPES.get(str(schema.get("type")), "object")


def value_of(name: str, data: Mapping[str, Any]) -> Any:
    """A field's value in an event's data; None if there is none."""
    value: Any = data
    for part in name.split(".")[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
