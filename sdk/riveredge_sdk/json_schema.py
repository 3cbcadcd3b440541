"""JSON Schema that tenants write (draft 2020-12): is it one, and does data fit it?

A schema is of an object and stands by itself: `$ref` and its like are not available, because references could go in
circles. Patterns are matched in linear time, and nothing is fetched.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from riveredge_sdk.problems import FieldError

MAX_SCHEMA_BYTES = 20_000
# Parts of the schema times values in the data: bounds the time that a check takes.
MAX_EFFORT = 2_000_000
MAX_ERRORS = 20

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor"})
_EXPECTED = 'Expected {"type": "object", "properties": {"name": {"type": "string"}, …}, "required": ["name", …]}.'


def flaw(schema: Mapping[str, Any], *, max_bytes: int = MAX_SCHEMA_BYTES) -> str | None:
    """What is wrong with a schema, in a sentence; None if nothing is."""
    if len(json.dumps(schema, default=str)) > max_bytes:
        return f"It has at most {max_bytes} bytes."
    for part in parts(schema):
        if isinstance(part, Mapping) and (names := _REFERENCES & part.keys()):
            return f"{min(names)} is not available: write it out."
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties", {}), dict):
        return _EXPECTED
    try:
        _validator(json.dumps({"type": "object", **schema}, sort_keys=True))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return f"{_EXPECTED} {str(error).splitlines()[0][:300]}"
    return None


def mismatches(data: Mapping[str, Any], schema: Mapping[str, Any], *, where: str) -> list[FieldError]:
    """Where data does not fit a schema: at most `MAX_ERRORS`. `where` is what the fields' paths begin with."""
    whole = {"type": "object", **schema}
    if sum(1 for _ in parts(whole)) * sum(1 for _ in parts(data)) > MAX_EFFORT:
        return [FieldError(where, "The data has too many values for this declaration.", "too_large")]
    found = []
    for error in _validator(json.dumps(whole, sort_keys=True)).iter_errors(dict(data)):
        path = ".".join([where, *(str(part) for part in error.instance_path)])
        found.append(FieldError(path, f"{error.message[:300]}.", type(error.kind).__name__.lower()))
        if len(found) >= MAX_ERRORS:
            break
    return found


def parts(value: Any) -> Iterator[Any]:
    """A JSON value and everything in it. Not recursive: it may nest as deep as it is long."""
    pending = [value]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, Mapping):
            pending += part.values()
        elif isinstance(part, list):
            pending += part


@lru_cache(maxsize=512)
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    document = json.loads(schema)
    jsonschema_rs.meta.validate(document)
    return jsonschema_rs.Draft202012Validator(
        document, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


__all__ = ["MAX_ERRORS", "MAX_SCHEMA_BYTES", "flaw", "mismatches", "parts"]
