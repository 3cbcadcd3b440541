"""Conditions of compiled flows: do they hold for these values?

    verdict = evaluate(["gt", "form.amount", "5000"], {"form.amount": 6000}, {"form.amount": "number"})
    verdict.holds, verdict.read      # True, {"form.amount": 6000}

A field that is missing or of another type is an error, never "no": nobody would notice that a branch was not taken.
What stands first in `all`, `any` and `none` is looked at first, and no more than needed: `not_empty` before `gt` guards
it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias

from riveredge_approvals.ir.document import Condition

Type: TypeAlias = Literal["string", "number", "boolean", "date", "datetime", "money", "list", "object"]

ALL_OPS: Final = (
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
)
# Of a number, before and behind its point.
MAX_DIGITS: Final = 300
_EQUAL = frozenset({"eq", "ne"})
_EMPTY = frozenset({"is_empty", "not_empty"})
_ORDER = frozenset({"gt", "ge", "lt", "le", "between"})
_AMONG = frozenset({"in", "not_in"})
_WITHIN = frozenset({"contains", "not_contains"})
_ORDERED = _EMPTY | _EQUAL | _ORDER | _AMONG

# What can be asked of each type.
OPS: Final[Mapping[str, frozenset[str]]] = {
    "string": _EMPTY | _EQUAL | _AMONG | _WITHIN | {"starts_with"},
    "number": _ORDERED,
    "date": _ORDERED,
    "datetime": _ORDERED,
    "money": _ORDERED,
    "boolean": _EMPTY | _EQUAL,
    "list": _EMPTY | _EQUAL | _WITHIN,
    "object": _EMPTY,
}

# What every process has, besides its form and `nodes.<id>.outcome`.
BUILT_IN: Final[Mapping[str, str]] = {
    "initiator.id": "string",
    "initiator.department": "string",
    "instance.number": "string",
    "instance.title": "string",
}


class ConditionError(ValueError):
    """A condition that cannot be decided. `field` is the full name of the field, empty for the condition itself.

    `texts` is the message by language.
    """

    def __init__(self, message: str, chinese: str, name: str = "") -> None:
        super().__init__(message)
        self.texts = {"en": message, "zh-CN": chinese}
        self.field = name


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it holds, and the values of the fields that were looked at."""

    holds: bool
    read: Mapping[str, Any] = field(default_factory=dict)


def evaluate(condition: Condition, values: Mapping[str, Any], types: Mapping[str, str]) -> Verdict:
    """Decide a condition.

    Args:
        values: by full name: `form.amount`, `initiator.department`, `nodes.mgr.outcome`.
        types: of the form's fields; where none is given, that of the value counts.

    Raises:
        ConditionError: a field is missing or of another type, or amounts are in different currencies.
    """
    read: dict[str, Any] = {}
    return Verdict(_holds(condition, values, types, read), read)


def _holds(condition: Any, values: Mapping[str, Any], types: Mapping[str, str], read: dict[str, Any]) -> bool:
    if condition is True:
        return True
    op, *rest = condition
    if op == "all":
        return all(_holds(part, values, types, read) for part in rest)
    if op in {"any", "none"}:
        return any(_holds(part, values, types, read) for part in rest) is (op == "any")
    name, *wanted = rest
    value = read[name] = _look(name, values)
    kind = type_of(name, types)
    if op in _EMPTY:
        if value is None and kind is None:
            raise ConditionError(f"There is no field {name}.", f"没有字段 {name}。", name)
        return (value is None or value in ("", [], {})) is (op == "is_empty")
    if value is None:
        raise ConditionError(f"{name} has no value.", f"字段 {name} 没有值。", name)
    return _compare(op, name, kind or _kind_of(value), value, wanted)


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


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "money" if {"amount", "currency"} <= value.keys() else "object"
    return "list"


def _compare(op: str, name: str, kind: str, value: Any, wanted: Sequence[Any]) -> bool:
    if op not in OPS[kind]:
        message = f"{op} cannot be asked of {name}, which is of the type {kind}."
        raise ConditionError(message, f"字段 {name} 的类型为 {kind}，不能用 {op} 判断。", name)
    left = _read(kind, value, name)
    if op in _AMONG:
        return any(_equal(left, _read(kind, each, name), name) for each in wanted[0]) is (op == "in")
    if op in _WITHIN:
        return _contains(left, wanted[0], name) is (op == "contains")
    right = [_read(kind, each, name) for each in wanted]
    if op in _EQUAL:
        return _equal(left, right[0], name) is (op == "eq")
    if op == "starts_with":
        return bool(left.startswith(right[0]))
    for each in right:
        _same_currency(left, each, name)
    return bool(_COMPARISONS[op](left, *right))


_COMPARISONS: Final[Mapping[str, Callable[..., bool]]] = {
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "between": lambda left, low, high: low <= left <= high,
}


@dataclass(frozen=True, slots=True, order=True)
class _Money:
    amount: Decimal
    currency: str


def _equal(left: Any, right: Any, name: str) -> bool:
    _same_currency(left, right, name)
    return bool(left == right)


def _same_currency(left: Any, right: Any, name: str) -> None:
    if isinstance(left, _Money) and left.currency != right.currency:
        message = f"{name} is in {left.currency}, and is compared with an amount in {right.currency}."
        raise ConditionError(message, f"{name} 的币种为 {left.currency}，不能与 {right.currency} 的金额比较。", name)


def _contains(whole: Any, part: Any, name: str) -> bool:
    if isinstance(whole, str):
        return str(_read("string", part, name)) in whole
    return any(_plain(each) == _plain(part) for each in whole)


def _plain(value: Any) -> Any:
    """What stands in a list: numbers may be written as numbers or as decimal strings."""
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


_SHAPES = {
    str: ("text", "文本"),
    bool: ("yes or no", "是否值"),
    int: ("number", "数字"),
    float: ("number", "数字"),
    list: ("list", "列表"),
    dict: ("object", "对象"),
}


def _read(kind: str, value: Any, name: str) -> Any:
    try:
        return READERS[kind](value)
    except (ValueError, TypeError, KeyError, InvalidOperation):
        # The value itself may be hidden from whoever reads this.
        shape, chinese = _SHAPES.get(type(value), ("value", "值"))
        raise ConditionError(
            f"{name}: this {shape} is no {kind}.", f"{name}：此{chinese}不是有效的 {kind}。", name
        ) from None


def read_number(value: Any) -> Decimal:
    """An exact number; a float is what people have written, not its binary neighbour.

    Raises:
        ValueError, TypeError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError("no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("no number") from None
    if not number.is_finite():
        raise ValueError("not finite")
    # Written out, 1E+999999999 would fill the memory.
    if number and not -MAX_DIGITS <= number.adjusted() <= MAX_DIGITS:
        raise ValueError("too large, or too small")
    return number


def _read_money(value: Any) -> _Money:
    currency = value["currency"]
    if not isinstance(currency, str) or not currency:
        raise ValueError("no currency")
    return _Money(read_number(value["amount"]), currency.upper())


def _read_date(value: Any) -> date:
    return date.fromisoformat(value)


def _read_datetime(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def _read_as(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, kinds):
            raise TypeError("another type")
        return value

    return read


# Each raises ValueError, TypeError or KeyError for what is not of its type.
READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "string": _read_as(str),
    "number": read_number,
    "boolean": _read_as(bool),
    "date": _read_date,
    "datetime": _read_datetime,
    "money": _read_money,
    "list": _read_as(list, tuple),
    "object": _read_as(Mapping),
}

__all__ = ["ALL_OPS", "BUILT_IN", "OPS", "READERS", "ConditionError", "Verdict", "evaluate", "read_number", "type_of"]
