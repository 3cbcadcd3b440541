"""The filter grammar: one JSON form for lists, approval branches and print rules.

    {"match": "all" | "any" | "none", "conditions": [{"field": "title", "op": "contains", "value": "Milk"}, …]}

A condition is a comparison or another filter. It is checked against typed fields first (`FilterSet.parse`), then turned
into SQL (`Filter.sql`) or tried on plain values (`Filter.matches`); both give the same answer. There is no third truth
value: a comparison with an absent value is false, and `ne` and `not_in` are exactly the opposites of `eq` and `in`.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from riveredge_sdk.filter_fields import OPERATORS, FieldType, FilterField, fold
from riveredge_sdk.problems import FieldError, Invalid

Match = Literal["all", "any", "none"]

MAX_DEPTH = 5
MAX_CONDITIONS = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value` is of the field's type already: a datetime, a UUID, a tuple of them for `in` and `between`."""

    field: FilterField
    op: str
    value: Any

    def sql(self) -> ColumnElement[bool]:
        """The SQL; a positive comparison is false or NULL where the value is absent."""
        column: Any = self.field.expression
        if self.op in _OPPOSITES:
            return or_(not_(_SQL[_OPPOSITES[self.op]](column, self.value)), column.is_(None))
        made: ColumnElement[bool] = _SQL[self.op](column, self.value)
        return made

    def matches(self, values: Mapping[str, Any]) -> bool:
        """The same for plain values; a field that is missing is absent."""
        found = values.get(self.field.name)
        if self.op == "is_null":
            return bool((found is None) == self.value)
        if self.op in _OPPOSITES:
            return found is None or not _PLAIN[_OPPOSITES[self.op]](found, self.value)
        return found is not None and bool(_PLAIN[self.op](found, self.value))


def _lowered(column: Any) -> Any:
    # lower() knows ASCII letters only on SQLite; the "C" collation makes it so on PostgreSQL, and fold() here.
    return func.lower(func.riveredge_c(column))


_OPPOSITES = {"ne": "eq", "not_in": "in"}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_SQL: dict[str, Callable[[Any, Any], Any]] = {
    **_ORDER,
    "in": lambda column, value: column.in_(value),
    "between": lambda column, value: column.between(*value),
    "is_null": lambda column, value: column.is_(None) if value else column.is_not(None),
    "contains": lambda column, value: _lowered(column).contains(fold(value), autoescape=True),
    "starts_with": lambda column, value: _lowered(column).startswith(fold(value), autoescape=True),
    "ends_with": lambda column, value: _lowered(column).endswith(fold(value), autoescape=True),
}
_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    **_ORDER,
    "in": lambda found, value: found in value,
    "between": lambda found, value: value[0] <= found <= value[1],
    "contains": lambda found, value: fold(value) in fold(found),
    "starts_with": lambda found, value: fold(found).startswith(fold(value)),
    "ends_with": lambda found, value: fold(found).endswith(fold(value)),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked filter. An empty one lets everything through, also under `any`."""

    match: Match = "all"
    conditions: tuple["Comparison | Filter", ...] = ()

    def sql(self) -> ColumnElement[bool]:
        """As a WHERE condition over the fields' expressions."""
        if not self.conditions:
            return true()
        parts = [condition.sql() for condition in self.conditions]
        if self.match == "all":
            return and_(*parts)
        if self.match == "any":
            return or_(*parts)
        # NOT NULL is NULL again: an unknown part has to become false before it is turned round.
        return not_(func.coalesce(or_(*parts), false()))

    def matches(self, values: Mapping[str, Any]) -> bool:
        """Whether `values` (by field name, of the fields' types) pass."""
        if not self.conditions:
            return True
        found = (condition.matches(values) for condition in self.conditions)
        return all(found) if self.match == "all" else any(found) == (self.match == "any")


Source: TypeAlias = str | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The fields that filters of one list (or of one kind of rule) may name."""

    fields: Sequence[FilterField] = ()
    _by_name: dict[str, FilterField] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name.update({f.name: f for f in self.fields})

    def get(self, name: str) -> FilterField | None:
        """The field of this name."""
        return self._by_name.get(name)

    def parse(self, source: Source, *, where: str = "filter") -> Filter:
        """Check a filter, given as JSON text or as what it parses to.

        Args:
            where: how error messages call the place, for example `query.filter`.

        Raises:
            Invalid: every mistake with its path, such as `query.filter.conditions.0.op`.
        """
        if source is None or source == "":
            return Filter()
        if isinstance(source, str):
            try:
                source = json.loads(source)
            except (ValueError, RecursionError):
                raise Invalid(
                    "The filter is not JSON.", errors=[FieldError(where, "This is not JSON.", "json")]
                ) from None
        reader = _Reader(self)
        read = reader.filter(source, where, 1)
        if reader.errors:
            raise Invalid(f"{len(reader.errors)} mistake(s) in the filter.", errors=reader.errors)
        return read

    def describe(self) -> list[dict[str, Any]]:
        """The fields for a client that offers them to people: name, title, type, operators."""
        return [
            {"field": f.name, "title": f.title or f.name, "type": f.type, "ops": sorted(OPERATORS[f.type])}
            for f in self.fields
        ]


class _Reader:
    def __init__(self, fields: FilterSet) -> None:
        self.fields = fields
        self.errors: list[FieldError] = []
        self.count = 0

    def wrong(self, where: str, message: str, code: str = "filter") -> None:
        self.errors.append(FieldError(where, message, code))

    def filter(self, source: Any, where: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            self.wrong(where, f"Filters nest at most {MAX_DEPTH} deep.", "too_deep")
            return Filter()
        if not isinstance(source, Mapping) or set(source) - {"match", "conditions"}:
            self.wrong(where, 'Expected {"match": "all"|"any"|"none", "conditions": […]}.')
            return Filter()
        match = source.get("match", "all")
        if match not in ("all", "any", "none"):
            self.wrong(f"{where}.match", "Expected all, any or none.")
            match = "all"
        given = source.get("conditions", [])
        if not isinstance(given, list):
            self.wrong(f"{where}.conditions", "Expected a list.")
            return Filter()
        conditions: list[Comparison | Filter] = []
        for index, item in enumerate(given):
            self.count += 1
            if self.count > MAX_CONDITIONS:
                self.wrong(where, f"A filter has at most {MAX_CONDITIONS} conditions.", "too_many")
                break
            place = f"{where}.conditions.{index}"
            is_nested = isinstance(item, Mapping) and "conditions" in item
            read = self.filter(item, place, depth + 1) if is_nested else self.comparison(item, place)
            if read is not None:
                conditions.append(read)
        return Filter(match, tuple(conditions))

    def comparison(self, source: Any, where: str) -> Comparison | None:
        if not isinstance(source, Mapping) or set(source) != {"field", "op", "value"}:
            self.wrong(where, 'Expected {"field": …, "op": …, "value": …} or a nested filter.')
            return None
        name = source["field"]
        found = self.fields.get(name) if isinstance(name, str) else None
        if found is None:
            names = ", ".join(f.name for f in self.fields.fields)
            self.wrong(f"{where}.field", f"There is no such field; there are: {names}.", "unknown_field")
            return None
        op = source["op"]
        if not isinstance(op, str) or op not in OPERATORS[found.type]:
            ops = ", ".join(sorted(OPERATORS[found.type]))
            self.wrong(f"{where}.op", f"A field of type {found.type} takes: {ops}.", "unknown_op")
            return None
        try:
            return Comparison(found, op, found.read(op, source["value"]))
        except ValueError as error:
            self.wrong(f"{where}.value", str(error), "value")
            return None


__all__ = ["MAX_CONDITIONS", "MAX_DEPTH", "Comparison", "FieldType", "Filter", "FilterField", "FilterSet"]
