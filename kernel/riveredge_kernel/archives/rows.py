"""Rows of portable tables as JSON objects, and back: every value checked against its column."""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, LargeBinary, Numeric, String, Table, Uuid
from sqlalchemy import Date as DateColumn
from sqlalchemy import Time as TimeColumn
from sqlalchemy.sql.ddl import sort_tables
from sqlalchemy.types import TypeDecorator

from riveredge_kernel.archives.manifest import ArchiveError
from riveredge_kernel.plugins.host import PluginHost
from riveredge_sdk.models import TenantModel
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.secrets import SealedText

_MAX_DEPTH = 64
# What this installation's keys have encrypted is of no use elsewhere, and nobody's business: a Fernet token.
_ENCRYPTED = re.compile(r"gAAAAA[A-Za-z0-9_-]{60,}={0,2}")
_INT64 = 1 << 63


def tenant_models_of(plugins: PluginHost) -> list[type[TenantModel]]:
    """The models of all running plugins whose rows are tenants', each after those it refers to."""
    models: dict[str, type[TenantModel]] = {}
    for contributed in plugins.collect(Plugin.models):
        model: Any = contributed.item
        if issubclass(model, TenantModel):
            models[model.__table__.name] = model
    tables = sort_tables([model.__table__ for model in models.values()])  # type: ignore[attr-defined]
    return [models[table.name] for table in tables if table.name in models]


def portable_models(plugins: PluginHost) -> list[type[TenantModel]]:
    """Those of them that go along."""
    return [model for model in tenant_models_of(plugins) if model.portable]


def table_of(model: type[TenantModel]) -> Table:
    """The model's table."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def secret_columns(model: type[TenantModel]) -> list[str]:
    """The columns that are left out."""
    return [column.name for column in table_of(model).columns if _is_secret(column)]


def _is_secret(column: "Column[Any]") -> bool:
    return bool(column.info.get("secret")) or isinstance(column.type, SealedText)


def encode(model: type[TenantModel], row: TenantModel) -> bytes:
    """The row as one line."""
    values = {column.name: _plain(column, getattr(row, column.key)) for column in table_of(model).columns}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(column: "Column[Any]", value: Any) -> Any:
    if value is None:
        return None
    if _is_secret(column) or (isinstance(value, str) and _ENCRYPTED.fullmatch(value)):
        return None if column.nullable else ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value


def decode(model: type[TenantModel], line: bytes, tenant_id: UUID, ids: Mapping[str, str]) -> dict[str, Any]:
    """A stranger's line as values for an INSERT. The tenant is the given one, whatever it says.

    Args:
        ids: other ids for users, by the ones in the archive.

    Raises:
        ArchiveError: it is no row of this table.
    """
    table = table_of(model)
    try:
        given = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ArchiveError(f"{table.name}: a line is no JSON.") from None
    columns = {column.name: column for column in table.columns}
    if not isinstance(given, dict) or given.keys() != columns.keys():
        raise ArchiveError(f"{table.name}: a row has other columns than the table.")
    values = {}
    for name, column in columns.items():
        value = given[name]
        try:
            values[column.key] = tenant_id if name == "tenant_id" else _value(column, _renamed(value, ids))
        except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
            raise ArchiveError(f"{table.name} {str(given.get('id'))[:36]}: {name}: {error}"[:300]) from None
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """With users' ids exchanged, also inside JSON."""
    if not ids:
        return value
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_renamed(each, ids) for each in value]
    if isinstance(value, dict):
        return {ids.get(name, name): _renamed(each, ids) for name, each in value.items()}
    return value


def _value(column: "Column[Any]", value: Any) -> Any:
    if value is None:
        if not column.nullable:
            raise ValueError("it may not be null")
        return None
    kind = column.type
    kind = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    if isinstance(kind, JSON):
        _check_depth(value)
        return value
    for types, read in _READERS:
        if isinstance(kind, types):
            return read(kind, value)
    raise TypeError(f"values of type {kind} cannot be imported")


def _check_depth(value: Any) -> None:
    level: Sequence[Any] = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise ValueError(f"more than {_MAX_DEPTH} levels")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is(value: Any, expected: type | tuple[type, ...]) -> Any:
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise TypeError(f"a {type(value).__name__} does not fit")
    return value


def _text(kind: Any, value: Any) -> str:
    text: str = _is(value, str)
    if "\x00" in text or (kind.length is not None and len(text) > kind.length):
        raise ValueError(f"a text of at most {kind.length} characters without NUL is expected")
    text.encode()
    return text


def _whole(_kind: Any, value: Any) -> int:
    number: int = _is(value, int)
    if not -_INT64 <= number < _INT64:
        raise ValueError("the number is too large")
    return number


def _instant(_kind: Any, value: Any) -> datetime:
    instant = datetime.fromisoformat(_is(value, str))
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone")
    return instant


# In this order: some kinds are others, too.
_READERS: tuple[tuple[Any, Any], ...] = (
    (Uuid, lambda _, value: UUID(_is(value, str))),
    (Boolean, lambda _, value: _is(value, bool)),
    (LargeBinary, lambda _, value: base64.b64decode(_is(value, str), validate=True)),
    (DateTime, _instant),
    (DateColumn, lambda _, value: date.fromisoformat(_is(value, str))),
    (TimeColumn, lambda _, value: time.fromisoformat(_is(value, str))),
    (String, _text),
    (Integer, _whole),
    (Float, lambda _, value: float(_is(value, (int, float)))),
    (Numeric, lambda _, value: Decimal(_is(value, str))),
)
