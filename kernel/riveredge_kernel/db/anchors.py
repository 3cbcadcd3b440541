"""Whether the ORM will put the tenant filter on everything that a SELECT reads.

It filters the classes that it takes notice of: those selected, joined, named in `select_from()` or compared in
`where()`. One that appears only deep inside an expression is read all the same, but not filtered, so such a SELECT is
refused.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Join, Select
from sqlalchemy.sql import util as _untyped

from riveredge_kernel.db.refusals import refuse
from riveredge_sdk.models import TenantModel

util: Any = _untyped


def refuse_unanchored(select: Any, used: Iterable[Any]) -> None:
    """Refuse a SELECT with a tenant's class that the ORM would not filter.

    Args:
        used: what the ORM knows of the classes and aliases in it (`Mapper`, `AliasedInsp`).
    """
    of_tenants = [entity for entity in used if issubclass(entity.mapper.class_, TenantModel)]
    if not isinstance(select, Select) or not of_tenants:
        return
    if any(isinstance(source, Join) for source in select._from_obj):
        refuse("join() in select_from()", "Use select(…).join(…).")
    # Without the ORM's plug-in it is compiled as plain SQL.
    filtered = set(_anchors(select)) if select._propagate_attrs.get("compile_state_plugin") == "orm" else set()
    for entity in of_tenants:
        if entity not in filtered:
            name = entity.mapper.class_.__name__
            refuse(f"{name} inside an expression", f"Name it as well: select(…).select_from({name}), or join it.")


def _anchors(select: Any) -> Iterator[Any]:
    """What the ORM filters, found as SQLAlchemy's `_ORMSelectCompileState` finds it."""
    for column in select._raw_columns:
        yield util.extract_first_column_annotation(column, "parententity")
    for source in select._from_obj:
        yield source._annotations.get("parententity")
    for target, *_ in select._setup_joins:
        yield target._annotations.get("parententity")
    for condition in select._where_criteria:
        for element in util.surface_expressions(condition):
            yield element._annotations.get("parententity")
