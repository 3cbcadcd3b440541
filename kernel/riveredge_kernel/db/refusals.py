"""What no statement may hold, because no tenant filter would reach it."""

import re
from typing import Any, NoReturn

from sqlalchemy import ColumnClause, Table, TableClause, TextClause, UpdateBase
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import ReturnsRows

from riveredge_sdk.tenancy import TenantWallError

# An operator of one's own is written into the SQL as it is: one word, or signs that begin no comment.
_OPERATOR = re.compile(r"\w+|(?!.*(--|/\*))[-+*/<>=~!@#%^&|?]+")
_WRITTEN = ("_prefixes", "_suffixes", "_hints", "_statement_hints")


def refuse(what: str, instead: str) -> NoReturn:
    """Raise the wall's error, with a way out."""
    raise TenantWallError(f"{what} cannot be filtered by tenant. {instead}")


def refuse_unmapped(element: Any) -> None:
    """Refuse SQL that the ORM does not compile."""
    if isinstance(element, TextClause):
        refuse("text()", "Use ORM expressions, or raw_sql_reviewed(statement, reason=…).")
    if isinstance(element, TableClause):
        kind = "The bare table" if isinstance(element, Table) else "table()"
        refuse(f"{kind} {element.name!r}", "Use the mapped class.")
    # count(*) and EXISTS (SELECT 1 …) are the literals that the ORM itself writes.
    if isinstance(element, ColumnClause) and element.is_literal and element.name not in {"*", "1"}:
        refuse("literal_column()", "Use literal() for values and mapped attributes for columns.")


def refuse_written(element: Any) -> None:
    """Refuse hand-written SQL that is no `text()`, and what would lower the second wall."""
    if any(getattr(element, name, None) for name in _WRITTEN):
        refuse("prefix_with(), suffix_with() or a hint", "Use ORM expressions alone.")
    operator = getattr(element, "operator", None)
    if isinstance(operator, custom_op) and not _OPERATOR.fullmatch(operator.opstring):
        refuse(f"The operator {operator.opstring!r}", "Use one word or sign.")
    if isinstance(element, FunctionElement) and str(getattr(element, "name", "")).lower() == "set_config":
        refuse("set_config()", "The kernel alone says which tenant is served.")


def refuse_inside(element: Any) -> None:
    """The same for a part of a statement; a change inside another statement would be neither filtered nor stamped."""
    refuse_written(element)
    if isinstance(element, UpdateBase):
        refuse("An INSERT, UPDATE or DELETE inside another statement", "Run it by itself.")


def check_kind(statement: Any) -> None:
    """Only queries and changes of rows pass.

    Raises:
        TenantWallError: it is DDL, or something else that has no rows.
    """
    if not isinstance(statement, ReturnsRows):
        refuse(type(statement).__name__, "Change tables in migrations.")
