"""The first wall between tenants: a session that filters, stamps and refuses. It fails closed, on every database."""

from collections.abc import Iterable
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import ColumnElement, Connection, Delete, Insert, Update, Uuid, bindparam, event, inspect
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, ORMExecuteState, SessionTransaction
from sqlmodel import Session

from riveredge_kernel.db.refusals import check_kind, refuse
from riveredge_kernel.db.scope import Scope, scope_of
from riveredge_kernel.db.statements import (
    check_change,
    check_insert,
    check_rows,
    check_value,
    is_tenant,
    mappers_of,
    reviewed,
    stamp_rows,
)
from riveredge_kernel.metrics import RAW_STATEMENTS
from riveredge_sdk.context import current_tenant
from riveredge_sdk.models import TenantModel, tenant_models
from riveredge_sdk.tenancy import REVIEWED, TenantWallError

log = structlog.get_logger(__name__)

# Statements that the wall has looked at carry this object; the engine refuses all others.
CHECKED = "riveredge_checked"
_SEAL = object()
_SESSION = "riveredge_session"


def seal() -> dict[str, object]:
    """The execution options of a statement of the kernel's own."""
    return {CHECKED: _SEAL}


class TenantSession(Session):
    """A session that serves one tenant."""

    in_flush = False

    def flush(self, objects: Any = None) -> None:
        """Flush; the engine lets the unit of work's own INSERTs and UPDATEs through only meanwhile."""
        self.in_flush = True
        try:
            super().flush(objects)
        finally:
            self.in_flush = False

    def bulk_save_objects(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("bulk_save_objects()", "Use add_all().")

    def bulk_insert_mappings(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("bulk_insert_mappings()", "Use session.exec(insert(Model), params=rows).")

    def bulk_update_mappings(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("bulk_update_mappings()", "Load the rows and change them, or use update() with a where().")


class TenantCriterion(LoaderCriteriaOption):
    """The tenant filter of one class and of its aliases."""

    _traverse_internals = LoaderCriteriaOption._traverse_internals

    def _resolve_where_criteria(self, ext_info: Any) -> ColumnElement[bool]:
        # SQLAlchemy lets a criterion without a lambda name the class's own table in the ON of a joined alias as well,
        # which leaves the alias unfiltered.
        criterion = super()._resolve_where_criteria(ext_info)
        return ext_info._adapter.traverse(criterion) if ext_info.is_aliased_class else criterion


_criteria: dict[Mapper[Any], TenantCriterion] = {}


def _criterion(mapper: Mapper[Any]) -> TenantCriterion:
    made = _criteria.get(mapper)
    if made is None:
        cls: Any = mapper.class_
        value = bindparam(None, callable_=current_tenant, type_=Uuid(), unique=True)
        made = _criteria[mapper] = TenantCriterion(cls, cls.tenant_id == value, include_aliases=True)
    return made


def _filters(statement: Any, mappers: Iterable[Mapper[Any]]) -> list[Any]:
    """The tenant filters: of what the statement names, and of all classes if it also loads what it does not name."""
    named = list(mappers)
    if getattr(statement, "_with_options", ()) or any(m.relationships for m in named):
        named = [inspect(cls) for cls in tenant_models()]
    return [_criterion(m) for m in sorted(named, key=lambda m: m.class_.__name__) if is_tenant(m)]


@event.listens_for(TenantSession, "do_orm_execute")
def _on_execute(state: ORMExecuteState) -> Any:
    scope = scope_of(state.session)
    state.update_execution_options(**seal())
    if scope.system:
        return None
    statement: Any = state.statement
    reason = state.execution_options.get(REVIEWED)
    if reason is not None:
        log.info("raw_sql_reviewed", reason=reason)
        RAW_STATEMENTS.inc()
        state.statement = reviewed(statement, scope.tenant())
        return None
    check_kind(statement)
    mappers = mappers_of(statement)
    if any(is_tenant(mapper) for mapper in mappers):
        scope.tenant()
    if isinstance(statement, Insert | Update | Delete):
        if scope.read_only:
            raise TenantWallError("this unit of work is for reading only")
        if isinstance(statement, Insert):
            return _insert(state, statement, scope, mappers)
        if state.is_executemany:
            refuse("A bulk UPDATE by primary keys", "Load the rows and change them, or use update() with a where().")
        check_change(statement)
    state.statement = _filtered(statement, mappers)
    return None


def _filtered(statement: Any, mappers: Iterable[Mapper[Any]]) -> Any:
    """The statement with its filters. One that is run often gets them once, so that SQLAlchemy knows it again."""
    known = _known.get(statement)
    if known is None:
        filters = _filters(statement, mappers)
        known = statement.options(*filters) if filters else statement
        if known is not statement:
            _known[statement] = known
    return known


_known: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _insert(state: ORMExecuteState, statement: Insert, scope: Scope, mappers: set[Mapper[Any]]) -> Any:
    check_rows(state.parameters)
    if not any(is_tenant(mapper) for mapper in mappers):
        return None
    tenant = scope.tenant()
    stamp_rows(state.parameters, tenant)
    stamped = check_insert(statement, tenant)
    return state.invoke_statement(stamped) if stamped is not statement else None


@event.listens_for(TenantSession, "before_flush")
def _on_flush(session: TenantSession, _context: Any, _instances: Any) -> None:
    scope = scope_of(session)
    if scope.system:
        return
    # Made anew each time that the session is asked for it.
    new = session.new
    changed = [*new, *(row for row in session.dirty if session.is_modified(row)), *session.deleted]
    if changed and scope.read_only:
        raise TenantWallError(f"this unit of work is for reading only; it cannot write {type(changed[0]).__name__}")
    for row in changed:
        for value in row.__dict__.values():
            check_value(value)
        if not isinstance(row, TenantModel):
            continue
        tenant = scope.tenant()
        if row in new:
            row.tenant_id = row.__dict__.get("tenant_id") or tenant
        if row.tenant_id != tenant or (row not in new and inspect(row).attrs.tenant_id.history.deleted):
            raise TenantWallError(f"{type(row).__name__} {row.id} belongs to another tenant than the one being served")


@event.listens_for(TenantSession, "before_attach")
def _on_attach(session: TenantSession, row: Any) -> None:
    scope = scope_of(session)
    if isinstance(row, TenantModel) and not scope.system:
        owner = row.__dict__.get("tenant_id")
        if owner is not None and owner != scope.tenant_id:
            raise TenantWallError(f"{type(row).__name__} {row.id} belongs to another tenant than the one being served")


@event.listens_for(TenantSession, "after_begin")
def _on_begin(session: TenantSession, _transaction: SessionTransaction, connection: Connection) -> None:
    scope = scope_of(session)
    connection.info[_SESSION] = session
    if connection.dialect.name == "postgresql" and scope.tenant_id is not None:
        # The second wall: row-level security compares with this setting, which ends with the transaction.
        connection.exec_driver_sql(
            "SELECT set_config('app.tenant_id', $1, true)", (str(scope.tenant_id),), execution_options=seal()
        )


def guard(connection: Connection, _cursor: Any, statement: str, _params: Any, context: Any, _many: bool) -> None:
    """Listener of an engine's `before_cursor_execute`: refuse what did not pass through the session.

    Raises:
        TenantWallError: the statement was run on the connection itself.
    """
    if context is not None:
        if context.execution_options.get(CHECKED) is _SEAL:
            return
        if context.compiled is not None and context.compiled.statement.__visit_name__ in _SAVEPOINTS:
            return
    session = connection.info.get(_SESSION)
    if session is not None and session.in_flush:
        return
    refuse(
        f"Raw SQL on a connection ({statement[:60]!r})", "Use the session, or raw_sql_reviewed(statement, reason=…)."
    )


_SAVEPOINTS = frozenset({"savepoint", "rollback_to_savepoint", "release_savepoint"})
