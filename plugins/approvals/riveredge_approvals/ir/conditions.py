"""Conditions of compiled flows: do they hold for these values?

    verdict = evaluate(["gt", "form.amount", "5000"], {"form.amount": 6000}, {"form.amount": "number"})
    verdict.holds, verdict.read      # True, {"form.amount": 6000}

A field that is missing or of another type is an error, never "no": nobody would notice that a branch was not taken.
What stands first in `all`, `any` and `none` is looked at first, and no more than needed: `not_empty` before `gt` guards
it. The grammar is the platform's: `riveredge_sdk.conditions`.
"""

from collections.abc import Mapping
from typing import Any, Final

from riveredge_approvals.ir.document import Condition
from riveredge_sdk import conditions
from riveredge_sdk.conditions import ALL_OPS, OPS, READERS, ConditionError, Verdict, read_number

# What every process has, besides its form and `nodes.<id>.outcome`.
BUILT_IN: Final[Mapping[str, str]] = {
    "initiator.id": "string",
    "initiator.department": "string",
    "instance.number": "string",
    "instance.title": "string",
}


def evaluate(condition: Condition, values: Mapping[str, Any], types: Mapping[str, str]) -> Verdict:
    """Decide a condition.

    Args:
        values: by full name: `form.amount`, `initiator.department`, `nodes.mgr.outcome`.
        types: of the form's fields; where none is given, that of the value counts.

    Raises:
        ConditionError: a field is missing or of another type, or amounts are in different currencies.
    """
    return conditions.evaluate(condition, lambda name: _look(name, values), lambda name: type_of(name, types))


def type_of(name: str, types: Mapping[str, str]) -> str | None:
    """The type of a field by its full name; None if nothing says it."""
    if name.startswith("nodes.") and name.endswith(".outcome"):
        return "string"
    return types.get(name) or BUILT_IN.get(name)


def _look(name: str, values: Mapping[str, Any]) -> Any:
    """A field's value; `form.address.city` is within the value of `form.address`."""
    if name in values:
        return values[name]
    parts = name.split(".")
    for length in range(len(parts) - 1, 1, -1):
        value: Any = values.get(".".join(parts[:length]))
        for part in parts[length:]:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    # A node that nobody has been at has no outcome, which is known.
    return "" if name.startswith("nodes.") and name.endswith(".outcome") else None


__all__ = ["ALL_OPS", "BUILT_IN", "OPS", "READERS", "ConditionError", "Verdict", "evaluate", "read_number", "type_of"]
