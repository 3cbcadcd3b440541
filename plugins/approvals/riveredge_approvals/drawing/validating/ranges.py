"""What can be said of conditions without values: ranges of one field, and what always or never holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from riveredge_approvals.ir.conditions import READERS, type_of

_ORDERED = frozenset({"number", "date", "datetime"})


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a field between two bounds; None where there is no bound. `closed`: the bounds belong to it."""

    field: str
    low: Any = None
    high: Any = None
    low_closed: bool = True
    high_closed: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether no value is in it."""
        if self.low is None or self.high is None:
            return False
        return bool(self.low > self.high or (self.low == self.high and not (self.low_closed and self.high_closed)))

    def meet(self, other: "Range") -> "Range":
        """The values that are in both."""
        low, low_closed = self.low, self.low_closed
        if other.low is not None and (low is None or (other.low, low_closed) > (low, other.low_closed)):
            low, low_closed = other.low, other.low_closed
        high, high_closed = self.high, self.high_closed
        if other.high is not None and (high is None or (other.high, other.high_closed) < (high, high_closed)):
            high, high_closed = other.high, other.high_closed
        return Range(self.field, low, high, low_closed, high_closed)

    def meets(self, other: "Range") -> bool:
        """Whether some value is in both."""
        return self.field == other.field and not self.meet(other).is_empty

    def overlaps(self, later: "Range") -> bool:
        """Whether it takes values from a later branch, other than `> 100` before `> 50`, which is meant."""
        return self.meets(later) and (self.meet(later) != self or later == self)


def range_of(condition: Any, types: Mapping[str, str]) -> Range | None:
    """The values for which a condition holds, if it is about one field that has an order, and they are a range."""
    if condition is True:
        return None
    op, *rest = condition
    if op == "all":
        return _of_all(rest, types)
    return _of_comparison(op, rest, types) if op in _BOUNDS else None


def _of_all(parts: Sequence[Any], types: Mapping[str, str]) -> Range | None:
    found: Range | None = None
    for part in parts:
        each = range_of(part, types)
        if each is None or (found is not None and each.field != found.field):
            return None
        found = each if found is None else found.meet(each)
    return found


def _of_comparison(op: str, rest: list[Any], types: Mapping[str, str]) -> Range | None:
    name, *values = rest
    kind = type_of(name, types)
    if kind not in _ORDERED:
        return None
    read = [READERS[kind](value) for value in values]
    return _BOUNDS[op](name, *read)


_BOUNDS: Final[Mapping[str, Callable[..., Range]]] = {
    "eq": lambda name, value: Range(name, value, value),
    "gt": lambda name, value: Range(name, low=value, low_closed=False),
    "ge": lambda name, value: Range(name, low=value),
    "lt": lambda name, value: Range(name, high=value, high_closed=False),
    "le": lambda name, value: Range(name, high=value),
    "between": Range,
}


def never(condition: Any, types: Mapping[str, str]) -> bool:
    """Whether it can be seen that it never holds."""
    if condition is True:
        return False
    if condition[0] == "any":
        return all(never(part, types) for part in condition[1:])
    if condition[0] == "all":
        parts = condition[1:]
        ranges = [each for part in parts if (each := range_of(part, types)) is not None]
        return any(never(part, types) for part in parts) or any(
            one.field == other.field and not one.meets(other) for one in ranges for other in ranges
        )
    found = range_of(condition, types)
    return found is not None and found.is_empty


def always(condition: Any, types: Mapping[str, str]) -> bool:
    """Whether it can be seen that it always holds, for values that are there."""
    if condition is True:
        return True
    if condition[0] != "any":
        return False
    ranges = [each for part in condition[1:] if (each := range_of(part, types)) is not None]
    return any(_cover(below, above) for below in ranges for above in ranges if below.field == above.field)


def _cover(below: Range, above: Range) -> bool:
    if below.low is not None or above.high is not None or below.high is None or above.low is None:
        return False
    return bool(above.low < below.high or (above.low == below.high and (above.low_closed or below.high_closed)))
