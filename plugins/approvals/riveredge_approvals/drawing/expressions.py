"""Conditions as drawings have them, and as the compiled form has them.

{"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]}  →  ["gt", "form.amount", "5000"]
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from riveredge_approvals.ir.conditions import read_number, type_of
from riveredge_approvals.ir.document import Condition

Op = Literal[
    "eq",
    "ne",
    "gt",
    "ge",
    "lt",
    "le",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts_with",
    "between",
    "is_empty",
    "not_empty",
]
MAX_CONDITIONS = 50


class Comparison(BaseModel):
    """One field. `value` is a list for `in`, `not_in` and `between` (from, to), and left out for the empty ones."""

    model_config = ConfigDict(extra="forbid")

    field: Annotated[str, Field(pattern=r"^(form|initiator|instance|nodes)(\.[^.\s]{1,100}){1,6}$", max_length=300)]
    op: Op
    value: Any = None


def _which(raw: Any) -> str:
    names = raw.keys() if isinstance(raw, Mapping) else set(getattr(raw, "model_fields", ()))
    return "group" if "conditions" in names or "match" in names else "comparison"


class Group(BaseModel):
    """Several, of which all, any or none have to hold."""

    model_config = ConfigDict(extra="forbid")

    match: Literal["all", "any", "none"] = "all"
    conditions: Annotated[
        list[
            Annotated[
                Annotated[Comparison, Tag("comparison")] | Annotated["Group", Tag("group")], Discriminator(_which)
            ]
        ],
        Field(min_length=1, max_length=MAX_CONDITIONS),
    ]


Expression: TypeAlias = Group


def comparisons(group: Group) -> Iterator[Comparison]:
    """All that it compares."""
    for part in group.conditions:
        if isinstance(part, Group):
            yield from comparisons(part)
        else:
            yield part


def compile_expression(group: Group, types: Mapping[str, str]) -> Condition:
    """As the compiled form has it."""
    parts = [
        compile_expression(part, types) if isinstance(part, Group) else _compile(part, types)
        for part in group.conditions
    ]
    if len(parts) == 1 and group.match != "none":
        return parts[0]
    return [group.match, *parts]


def _compile(comparison: Comparison, types: Mapping[str, str]) -> Condition:
    kind = type_of(comparison.field, types)
    if comparison.op in {"is_empty", "not_empty"}:
        return [comparison.op, comparison.field]
    if comparison.op == "between":
        low, high = comparison.value
        return ["between", comparison.field, _literal(low, kind), _literal(high, kind)]
    return [comparison.op, comparison.field, _literal(comparison.value, kind)]


def _literal(value: Any, kind: str | None) -> Any:
    """Numbers become decimal strings, so that 5000 and 5000.0 are the same."""
    if isinstance(value, list):
        return [_literal(each, kind) for each in value]
    if isinstance(value, Mapping) and "amount" in value:
        return {**value, "amount": plain_number(read_number(value["amount"]))}
    if kind == "number" or (isinstance(value, int | float) and not isinstance(value, bool)):
        return plain_number(read_number(value))
    return value


def plain_number(number: Decimal) -> str:
    """`5000` for 5000.00 and for 5E+3."""
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
