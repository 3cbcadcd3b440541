"""Conditions that people write down, in the one grammar of the platform.

    group = Group.model_validate({"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]})
    compiled = compile_group(group, types.get)                       # ["gt", "form.amount", "5000"]
    verdict = evaluate(compiled, look_in({"form": {"amount": 6000}}), types.get)
    verdict.holds, verdict.read                                      # True, {"form.amount": 6000}

`types` says of which type each field is: `{"form.amount": "number"}`. Where nothing says it, that of the value counts.

A field that is missing or of another type is an error, never "no": nobody would notice that a branch was not taken.
What stands first in `all`, `any` and `none` is looked at first, and no more than needed: `not_empty` before `gt` guards
it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

# What `compile_group` makes, as JSON; True always holds.
Condition: TypeAlias = list[Any] | Literal[True]
# The value of a field by its full name, or None; its type, or None if nothing says it.
Look: TypeAlias = Callable[[str], Any]
KindOf: TypeAlias = Callable[[str], str | None]
Type: TypeAlias = Literal["string", "number", "boolean", "date", "datetime", "money", "list", "object"]

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
ALL_OPS: Final[tuple[str, ...]] = get_args(Op)
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


def evaluate(condition: Condition, look: Look, kind_of: KindOf) -> Verdict:
    """Decide a condition.

    Raises:
        ConditionError: a field is missing or of another type, or amounts are in different currencies.
    """
    read: dict[str, Any] = {}
    return Verdict(_holds(condition, look, kind_of, read), read)


def look_in(values: Mapping[str, Any]) -> Look:
    """Looks fields up in nested values: `event.user.name` in `{"event": {"user": {"name": …}}}`."""

    def look(name: str) -> Any:
        value: Any = values
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return look


def _holds(condition: Any, look: Look, kind_of: KindOf, read: dict[str, Any]) -> bool:
    if condition is True:
        return True
    op, *rest = condition
    if op == "all":
        return all(_holds(part, look, kind_of, read) for part in rest)
    if op in {"any", "none"}:
        return any(_holds(part, look, kind_of, read) for part in rest) is (op == "any")
    name, *wanted = rest
    value = read[name] = look(name)
    kind = kind_of(name)
    if op in _EMPTY:
        if value is None and kind is None:
            raise ConditionError(f"There is no field {name}.", f"没有字段 {name}。", name)
        return (value is None or value in ("", [], {})) is (op == "is_empty")
    if value is None:
        raise ConditionError(f"{name} has no value.", f"字段 {name} 没有值。", name)
    return _compare(op, name, kind or _kind_of(value), value, wanted)


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


MAX_CONDITIONS = 50


class Comparison(BaseModel):
    """One field. `value` is a list for `in`, `not_in` and `between` (from, to), and left out for the empty ones."""

    model_config = ConfigDict(extra="forbid")

    field: Annotated[str, Field(pattern=r"^[^.\s]{1,100}(\.[^.\s]{1,100}){1,6}$", max_length=300)]
    op: Op
    value: Any = None


def _which(raw: Any) -> str:
    names = raw.keys() if isinstance(raw, Mapping) else set(getattr(type(raw), "model_fields", ()))
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


def comparisons(group: Group) -> Iterator[Comparison]:
    """All that it compares."""
    for part in group.conditions:
        if isinstance(part, Group):
            yield from comparisons(part)
        else:
            yield part


def compile_group(group: Group, kind_of: KindOf) -> Condition:
    """As the compiled form has it."""
    parts = [
        compile_group(part, kind_of) if isinstance(part, Group) else _compile(part, kind_of)
        for part in group.conditions
    ]
    if len(parts) == 1 and group.match != "none":
        return parts[0]
    return [group.match, *parts]


def _compile(comparison: Comparison, kind_of: KindOf) -> Condition:
    kind = kind_of(comparison.field)
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


@dataclass(frozen=True, slots=True)
class Flaw:
    """What does not fit about a comparison: its `op` or its `value`, and why."""

    field: Literal["op", "value"]
    message: str


def flaw_of(each: Comparison, kind: str | None) -> Flaw | None:
    """Why a comparison cannot be asked of a field of this type, if so. `kind` None: not known yet."""
    reason = bad_shape(each)
    if reason is not None:
        return Flaw("value", reason["en"])
    if kind is not None and each.op not in OPS[kind]:
        known = ", ".join(op for op in ALL_OPS if op in OPS[kind])
        return Flaw("op", f"{each.op} cannot be asked of a {kind}; {known} can.")
    if kind is not None and not is_readable(each, kind):
        return Flaw("value", f"{each.field} is of the type {kind}, and this is none.")
    return None


def bad_shape(each: Comparison) -> Mapping[str, str] | None:
    """Why the value has not the form that the operator needs, if so, by language."""
    if each.op == "between" and not (isinstance(each.value, list) and len(each.value) == 2):
        return {"en": "between needs [from, to]", "zh-CN": "between 需要 [起, 止]"}
    if each.op in {"in", "not_in"} and not (isinstance(each.value, list) and each.value):
        return {"en": f"{each.op} needs a list of values", "zh-CN": f"{each.op} 需要值的列表"}
    if each.op not in {"is_empty", "not_empty"} and each.value is None:
        return {"en": f"{each.op} needs a value", "zh-CN": f"{each.op} 需要一个值"}
    return None


def is_readable(each: Comparison, kind: str) -> bool:
    """Whether the value is of the field's type."""
    if each.op in {"is_empty", "not_empty"}:
        return True
    if each.op in {"contains", "not_contains"}:
        return isinstance(each.value, str) or (kind == "list" and isinstance(each.value, int | float))
    values: list[Any] = each.value if each.op in {"between", "in", "not_in"} else [each.value]
    try:
        for value in values:
            READERS[kind](value)
    except (ValueError, TypeError, KeyError):
        return False
    return True


__all__ = [
    "ALL_OPS",
    "OPS",
    "READERS",
    "Comparison",
    "Condition",
    "ConditionError",
    "Flaw",
    "Group",
    "KindOf",
    "Look",
    "Verdict",
    "bad_shape",
    "comparisons",
    "compile_group",
    "evaluate",
    "flaw_of",
    "is_readable",
    "look_in",
    "plain_number",
    "read_number",
]
