"""Looks through a statement before it runs: which mapped classes it touches, and whether all of it can be filtered.

Only what the ORM compiles gets the tenant filter, so anything else is refused, wherever in the statement it hides.
"""

from collections.abc import Iterable
from datetime import datetime
from types import NoneType
from typing import Any, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import (
    Alias,
    ClauseElement,
    ColumnClause,
    Delete,
    Executable,
    Insert,
    Select,
    SelectBase,
    Table,
    TableClause,
    TextClause,
    Update,
    Uuid,
    Values,
    bindparam,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import ScalarValues

from riveredge_kernel.db.anchors import refuse_unanchored
from riveredge_kernel.db.refusals import refuse, refuse_inside, refuse_unmapped, refuse_written
from riveredge_sdk.models import TenantModel
from riveredge_sdk.tenancy import TenantWallError


def is_tenant(mapper: Mapper[Any]) -> bool:
    """Whether the mapper's rows belong to tenants."""
    return issubclass(mapper.class_, TenantModel)


def mappers_of(statement: Any) -> set[Mapper[Any]]:
    """The mappers of all mapped classes in `statement`, also in its subqueries, unions and common table expressions.

    Raises:
        TenantWallError: a part of it is no mapped class.
    """
    known = _known.get(statement) if isinstance(statement, _IMMUTABLE) else None
    if known is not None:
        return known
    found: set[Mapper[Any]] = set()
    refuse_unmapped(statement)
    refuse_written(statement)
    _look_through(statement, found, frozenset())
    if isinstance(statement, _IMMUTABLE):
        _known[statement] = found
    return found


# Each change of a statement makes another one, so what was found in it stays true: a statement that is made once and
# run often is looked through once.
_IMMUTABLE = (Select, Insert, Update, Delete)
_known: WeakKeyDictionary[Any, set[Mapper[Any]]] = WeakKeyDictionary()


def _look_through(query: Any, found: set[Mapper[Any]], outer: frozenset[str]) -> None:
    """Look through one SELECT (or INSERT, …), and then through those inside it.

    A plain column, as the ORM writes it into its own loading queries, is fine where its table is read through a mapped
    class in the same SELECT, or in one outside that it is correlated with: there the filter applies.
    """
    used: set[Any] = set()
    seen: dict[int, Any] = {}
    plain: list[Any] = []
    inner: list[Any] = []
    todo: list[Any] = list(_children(query))
    while todo:
        element = todo.pop()
        refuse_inside(element)
        if isinstance(element, Select):
            inner.append(element)
            continue
        if id(element) in seen:
            continue
        seen[id(element)] = element
        entity = element._annotations.get("parententity")
        if entity is not None:
            used.add(entity)
            todo.extend(_behind(element, entity))
        elif isinstance(element, ColumnClause) and isinstance(element.table, Table):
            plain.append(element)
        else:
            refuse_unmapped(element)
            todo.extend(_children(element))
    found.update(entity.mapper for entity in used)
    named = {entity.mapper.local_table.name for entity in used}
    refuse_unanchored(query, used)
    if inner and isinstance(query, Insert):
        # Criteria are options of SELECT, UPDATE and DELETE: they would not reach these.
        refuse("INSERT … SELECT, or a subquery in an INSERT,", "Read the rows, then add them.")
    for column in plain:
        if column.table.name not in named and not (column.table.name in outer and _correlates(query, column.table)):
            refuse_unmapped(column.table)
    for select in inner:
        _look_through(select, found, outer | named)


def _children(element: Any) -> Iterable[Any]:
    if isinstance(element, Select):
        # Without the FROM list that is derived from the columns: those tables have lost what tells where they came
        # from. The columns themselves are looked at instead.
        return cast("Iterable[Any]", super(Select, element).get_children())
    if isinstance(element, ColumnClause):
        return () if element.table is None else (element.table,)
    if isinstance(element, Insert | Update | Delete):
        return (element.table, *element.get_children())
    if isinstance(element, Values | ScalarValues):
        cells = (cell for rows in element._data for row in rows for cell in row)
        return [cell for cell in cells if isinstance(cell, ClauseElement)]
    return cast("Iterable[Any]", element.get_children())


# Most values of rows: no SQL hides in them.
_PLAIN = frozenset({NoneType, bool, int, float, str, bytes, datetime, UUID, dict, list})


def check_value(value: Any) -> None:
    """An SQL expression given as a value is written by the flush, where no filter applies: it may not read rows.

    Raises:
        TenantWallError: it has a subquery, or something that `mappers_of` refuses.
    """
    if type(value) in _PLAIN:
        return
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if isinstance(value, ClauseElement):
        mappers_of(value)
        if any(isinstance(part, SelectBase) for part in visitors.iterate(value)):
            refuse("A subquery as a value", "Read first, then set what was found.")


def _correlates(query: Any, table: Table) -> bool:
    """Whether `query` takes the table's row from the SELECT around it."""
    names = {source.name for source in getattr(query, "_correlate", ()) or () if isinstance(source, TableClause)}
    if table.name in names:
        return True
    but = getattr(query, "_correlate_except", None)
    return but is not None and all(getattr(source, "name", None) != table.name for source in but)


def _behind(element: Any, entity: Any) -> Iterable[Any]:
    """What a part of a mapped class stands for, if not simply for the class's table."""
    sources = [entity.selectable]
    if isinstance(element, ColumnClause) and element.table is not None:
        sources.append(element.table)
    return [source for source in sources if not _is_table_of(source, entity.mapper)]


def _is_table_of(source: Any, mapper: Mapper[Any]) -> bool:
    table = source.element if isinstance(source, Alias) else source
    return isinstance(table, Table) and table.name == mapper.local_table.name  # type: ignore[attr-defined]


def reviewed(statement: Executable, tenant_id: UUID) -> Executable:
    """Raw SQL that a person has checked, with the tenant filled in.

    Raises:
        TenantWallError: it is not `text()`, or does not use `:tenant_id`.
    """
    if not isinstance(statement, TextClause):
        raise TenantWallError("raw_sql_reviewed takes text() only")
    if "tenant_id" not in statement._bindparams:
        raise TenantWallError("raw_sql_reviewed: the statement must compare with :tenant_id")
    return statement.bindparams(bindparam("tenant_id", tenant_id, type_=Uuid()))


def check_change(statement: Update | Delete) -> None:
    """An UPDATE or DELETE may look at further tables only in subqueries, where the filter reaches.

    Raises:
        TenantWallError: it joins another table, has an alias as its target, or writes tenant_id.
    """
    target: Any = statement.table
    if not isinstance(target, Table):
        refuse("An UPDATE or DELETE of an alias", "Name the mapped class itself.")
    values: Any = (statement._values or {}) if isinstance(statement, Update) else {}
    for part in [*statement._where_criteria, *values.values()]:
        for source in part._from_objects:
            if not (isinstance(source, Table) and source.key == target.key):
                refuse(f"A joined UPDATE or DELETE with {source}", "Use exists() or in_() with a subquery.")
    if "tenant_id" in _names(values):
        raise TenantWallError("a row stays with its tenant: tenant_id cannot be updated")


def _names(keys: Iterable[Any]) -> set[str]:
    """Column names, from names, columns or attributes."""
    return {getattr(key, "key", key) for key in keys}


def check_insert(statement: Any, tenant_id: UUID) -> Any:
    """The INSERT with the tenant stamped into its values.

    Raises:
        TenantWallError: it holds several rows, names another tenant, or could overwrite another tenant's row.
    """
    if statement._multi_values:
        refuse(
            "INSERT with several rows in values()", "Pass the rows as parameters: session.exec(insert(X), params=rows)."
        )
    conflict = statement._post_values_clause
    if conflict is not None:
        if "tenant_id" not in _names(getattr(conflict, "inferred_target_elements", None) or ()):
            refuse("ON CONFLICT without tenant_id among its columns", "Name tenant_id in index_elements.")
        if "tenant_id" in _names(getattr(conflict, "update_values_to_set", ())):
            raise TenantWallError("a row stays with its tenant: tenant_id cannot be updated")
    for key, value in (statement._values or {}).items():
        if getattr(key, "key", key) == "tenant_id" and getattr(value, "value", value) != tenant_id:
            raise TenantWallError("an INSERT names another tenant")
    return statement.values(tenant_id=tenant_id) if statement._values else statement


def stamp_rows(rows: Any, tenant_id: UUID) -> None:
    """Stamp the parameter sets of an INSERT, in place.

    Raises:
        TenantWallError: a row names another tenant.
    """
    for row in _rows(rows):
        if row.setdefault("tenant_id", tenant_id) != tenant_id:
            raise TenantWallError("an INSERT names another tenant")


def check_rows(rows: Any) -> None:
    """`check_value` for the parameter sets of an INSERT."""
    for row in _rows(rows):
        for value in row.values():
            check_value(value)


def _rows(rows: Any) -> Iterable[Any]:
    return [rows] if isinstance(rows, dict) else rows or ()
