"""The variables of a template: declared as JSON Schema, checked when a message is accepted.

A declaration is JSON Schema (draft 2020-12) of an object and stands by itself: `$ref` is not available, because tenants
write declarations and references could go in circles. Patterns are matched in linear time.
"""

import json
from collections.abc import Mapping
from typing import Any

from riveredge_sdk import json_schema
from riveredge_sdk.json_schema import MAX_ERRORS
from riveredge_sdk.problems import FieldError, Invalid

MAX_DATA_BYTES = 64_000
MAX_ITEMS = 500

Uses = Mapping[str, set[str]]


def check_declaration(variables: Mapping[str, Any], *, where: str = "variables") -> None:
    """See that it declares variables.

    Raises:
        Invalid: with the field `where`.
    """
    wrong = json_schema.flaw(variables)
    if wrong is not None:
        raise Invalid(wrong, errors=[FieldError(where, wrong, "variables")])


def declared_names(variables: Mapping[str, Any]) -> set[str]:
    """The names of the declared variables."""
    return set(variables.get("properties", {}))


def required_names(variables: Mapping[str, Any]) -> list[str]:
    """The variables that need a value: the required ones or, where that is not said, all."""
    found = variables.get("required", variables.get("properties", {}))
    return [str(name) for name in found]


def check_data(
    data: Mapping[str, Any], variables: Mapping[str, Any], *, uses: Uses | None = None, where: str = "data"
) -> None:
    """See that the data is plain, small, and what the template's variables declare.

    Args:
        uses: which variables each channel's texts use, so that the answer can say where a missing one is missed.

    Raises:
        Invalid: naming each value at fault; `missing` lists the missing names by channel.
    """
    if len(json.dumps(data, default=str)) > MAX_DATA_BYTES:
        raise Invalid(
            "The data is too large.", errors=[FieldError(where, f"At most {MAX_DATA_BYTES} bytes.", "too_large")]
        )
    declared = declared_names(variables)
    missing = [name for name in required_names(variables) if name not in data]
    by_channel = {channel: [name for name in missing if name in names] for channel, names in (uses or {}).items()}
    by_channel = {channel: names for channel, names in by_channel.items() if names}
    errors = [FieldError(f"{where}.{name}", _missing(name, by_channel), "missing") for name in missing]
    for name, value in data.items():
        if name not in declared:
            errors.append(FieldError(f"{where}.{name}", "The template has no such variable.", "unknown"))
        elif _longest(value) > MAX_ITEMS:
            errors.append(FieldError(f"{where}.{name}", f"A list has at most {MAX_ITEMS} items.", "too_long"))
    errors += _mismatches(data, variables, where)
    if errors:
        raise Invalid(
            "The data does not fit the template.",
            errors=errors[:MAX_ERRORS],
            extensions={"missing": by_channel} if by_channel else {},
        )


def _missing(name: str, by_channel: Mapping[str, list[str]]) -> str:
    needed = ", ".join(channel for channel, names in by_channel.items() if name in names)
    return (
        f"This variable of the template needs a value: {needed}."
        if needed
        else ("This variable of the template needs a value.")
    )


def _mismatches(data: Mapping[str, Any], variables: Mapping[str, Any], where: str) -> list[FieldError]:
    schema = {key: value for key, value in variables.items() if key != "required"}
    # Unknown variables have words of their own.
    return [
        error
        for error in json_schema.mismatches(data, schema, where=where)
        if error.field != where or error.code != "additionalproperties"
    ]


def _longest(value: Any) -> int:
    return max((len(part) for part in json_schema.parts(value) if isinstance(part, list)), default=0)
