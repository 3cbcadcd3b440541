"""Typed fields of filters: which operators each type has, and how their values are written in JSON."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import String

FieldType = Literal["text", "integer", "number", "boolean", "datetime", "date", "uuid"]

_EQUALITY = frozenset({"eq", "ne", "in", "not_in", "is_null"})
_ORDER = frozenset({"lt", "lte", "gt", "gte", "between"})
OPERATORS: dict[FieldType, frozenset[str]] = {
    "text": _EQUALITY | {"contains", "starts_with", "ends_with"},
    "integer": _EQUALITY | _ORDER,
    "number": _EQUALITY | _ORDER,
    "boolean": frozenset({"eq", "ne", "is_null"}),
    "datetime": _EQUALITY | _ORDER,
    "date": _EQUALITY | _ORDER,
    "uuid": _EQUALITY,
}

MAX_TEXT = 1000
MAX_LIST = 200
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(text: str) -> str:
    """Lower case of the ASCII letters only, as all databases agree on it."""
    return text.translate(_FOLD)


class riveredge_c(GenericFunction[str]):  # noqa: N801  (the name of a SQL function)
    """A text under the "C" collation, where lower() changes ASCII letters only. Nothing to do on SQLite."""

    type = String()
    inherit_cache = True


@compiles(riveredge_c, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)} COLLATE "C")'


@compiles(riveredge_c)
def _elsewhere(element: Any, compiler: Any, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)})"


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field that filters may name.

    Args:
        name: as clients write it.
        expression: the mapped attribute or SQL expression; None where filters are only tried on plain values.
    """

    name: str
    type: FieldType
    expression: Any = None
    title: str = ""

    def read(self, op: str, value: Any) -> Any:
        """A JSON value as one of the field's type.

        Raises:
            ValueError: with a message for the client.
        """
        if op == "is_null":
            return _boolean(value)
        if op in {"in", "not_in"}:
            if not isinstance(value, list) or len(value) > MAX_LIST:
                raise ValueError(f"Expected a list of at most {MAX_LIST} values.")
            return tuple(self._one(item) for item in value)
        if op == "between":
            if not isinstance(value, list) or len(value) != 2:
                raise ValueError("Expected a list of two values, the smaller first.")
            return tuple(self._one(item) for item in value)
        return self._one(value)

    def _one(self, value: Any) -> Any:
        if value is None:
            raise ValueError("Null is asked for with the operator is_null.")
        if self.type == "integer":
            return _integer(
                value, 63 if self.expression is None or isinstance(self.expression.type, BigInteger) else 31
            )
        return _READERS[self.type](value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Expected true or false.")
    return value


def _integer(value: Any, bits: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("Expected a whole number.")
    if not -(1 << bits) <= value < 1 << bits:
        raise ValueError(f"Expected a whole number of at most {bits} bits.")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("Expected a number.")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("The number is too large.") from None
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124  (NaN differs from itself)
        raise ValueError("Expected a finite number.")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Expected a text.")
    if len(value) > MAX_TEXT:
        raise ValueError(f"Expected a text of at most {MAX_TEXT} characters.")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("The text has characters that no text may have.")
    return value


def _datetime(value: Any) -> datetime:
    try:
        read = datetime.fromisoformat(_text(value))
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("Expected an instant with its zone, for example 2026-11-23T08:00:00Z.")


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("Expected a date, for example 2026-11-23.") from None


def _uuid(value: Any) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise ValueError("Expected a UUID.") from None


_READERS: dict[FieldType, Callable[[Any], Any]] = {
    "text": _text,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "date": _date,
    "uuid": _uuid,
}
