"""The fields of a form, by full name (`form.amount`), and their types in conditions.

A form is a JSON Schema of an object. Its numbers, booleans and texts are themselves; texts of the format `date`,
`date-time` and `decimal` are dates, instants and exact numbers; an object with `amount` and `currency` is money.
"""

from collections.abc import Mapping
from typing import Any, Final

_FORMATS: Final = {"date": "date", "date-time": "datetime", "decimal": "number"}
_TYPES: Final = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "array": "list"}
MAX_DEPTH: Final = 5


def field_types(form_schema: Mapping[str, Any]) -> dict[str, str]:
    """The types of a form's fields; fields within objects have names such as `form.address.city`."""
    found: dict[str, str] = {}
    _collect("form", form_schema, found, MAX_DEPTH)
    return found


def _collect(prefix: str, schema: Mapping[str, Any], found: dict[str, str], depth: int) -> None:
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(part, Mapping):
            continue
        full = f"{prefix}.{name}"
        found[full] = kind = _type_of(part)
        if kind == "object" and depth > 1:
            _collect(full, part, found, depth - 1)


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        # A field that may be null is of its other type.
        kind = next((each for each in kind if each != "null"), None)
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), "string")
    if kind == "object" and {"amount", "currency"} <= dict(schema.get("properties") or {}).keys():
        return "money"
    if kind is None and isinstance(choices := schema.get("enum"), list):
        return "string" if all(isinstance(each, str) for each in choices) else "object"
    return _TYPES.get(str(kind), "object")
