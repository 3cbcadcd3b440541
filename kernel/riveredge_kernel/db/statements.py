"""Looks through a statement before it runs: which mapped classes it touches, and whether all of it can be filtered.

Only what the ORM compiles gets the tenant filter, so anything else is refused, wherever in the statement it hides.
"""

from collections.abc import Iterable
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    ColumnClause,
    Delete,
    Executable,
    Insert,
    Table,
    TableClause,
    TextClause,
    Update,
    Uuid,
    bindparam,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors

from riveredge_sdk.models import TenantModel
from riveredge_sdk.tenancy import TenantWallError


def refuse(what: str, instead: str) -> NoReturn:
    """Raise the wall's error, with a way out."""
    raise TenantWallError(f"{what} cannot be filtered by tenant. {instead}")


def is_tenant(mapper: Mapper[Any]) -> bool:
    """Whether the mapper's rows belong to tenants."""
    return issubclass(mapper.class_, TenantModel)


def mappers_of(statement: Any) -> set[Mapper[Any]]:
    """The mappers of all mapped classes in `statement`, also in its subqueries, unions and common table expressions.

    Raises:
        TenantWallError: a part of it is no mapped class.
    """
    found: set[Mapper[Any]] = set()
    # INSERT, UPDATE and DELETE keep their target outside of their children.
    roots = [statement, statement.table] if isinstance(statement, Insert | Update | Delete) else [statement]
    for root in roots:
        for element in visitors.iterate(root):
            _look(element, found)
    return found


def _look(element: Any, found: set[Mapper[Any]]) -> None:
    if isinstance(element, TextClause):
        refuse("text()", "Use ORM expressions, or raw_sql_reviewed(statement, reason=…).")
    entity = element._annotations.get("parententity")
    if entity is not None:
        found.add(entity.mapper)
    elif isinstance(element, TableClause):
        _look_at_table(element)
    elif isinstance(element, ColumnClause):
        if element.is_literal:
            refuse("literal_column()", "Use literal() for values and mapped attributes for columns.")
        if isinstance(element.table, TableClause) and "parententity" not in element.table._annotations:
            _look_at_table(element.table)


def _look_at_table(table: TableClause) -> None:
    kind = "The bare table" if isinstance(table, Table) else "table()"
    refuse(f"{kind} {table.name!r}", "Use the mapped class.")


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
        TenantWallError: it joins another table, or writes tenant_id.
    """
    for condition in statement._where_criteria:
        for source in condition._from_objects:
            if isinstance(source, TableClause) and source.name != statement.table.name:
                refuse(f"A joined UPDATE or DELETE with {source.name!r}", "Use exists() or in_() with a subquery.")
    if isinstance(statement, Update):
        for name in _value_names(statement):
            if name == "tenant_id":
                raise TenantWallError("a row stays with its tenant: tenant_id cannot be updated")


def _value_names(statement: Any) -> Iterable[str]:
    ordered = [pair[0] for pair in statement._ordered_values or ()]
    for key in [*(statement._values or {}), *ordered]:
        yield getattr(key, "key", key)


def check_insert(statement: Any, tenant_id: UUID) -> Any:
    """The INSERT with the tenant stamped into its values.

    Raises:
        TenantWallError: it copies from a SELECT, names another tenant, or could overwrite another tenant's row.
    """
    if statement.select is not None:
        refuse("INSERT … SELECT", "Read the rows, then add them.")
    if statement._multi_values:
        refuse(
            "INSERT with several rows in values()", "Pass the rows as parameters: session.exec(insert(X), params=rows)."
        )
    conflict = statement._post_values_clause
    if conflict is not None:
        names = {getattr(e, "key", e) for e in getattr(conflict, "inferred_target_elements", None) or ()}
        if "tenant_id" not in names:
            refuse("ON CONFLICT without tenant_id among its columns", "Name tenant_id in index_elements.")
    for key, value in (statement._values or {}).items():
        if getattr(key, "key", key) == "tenant_id" and getattr(value, "value", value) != tenant_id:
            raise TenantWallError("an INSERT names another tenant")
    return statement.values(tenant_id=tenant_id) if statement._values else statement


def stamp_rows(rows: Any, tenant_id: UUID) -> None:
    """Stamp the parameter sets of an INSERT, in place.

    Raises:
        TenantWallError: a row names another tenant.
    """
    for row in [rows] if isinstance(rows, dict) else rows or ():
        if row.setdefault("tenant_id", tenant_id) != tenant_id:
            raise TenantWallError("an INSERT names another tenant")
