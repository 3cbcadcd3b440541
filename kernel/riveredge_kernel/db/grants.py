"""Notes when rows that decide who may do what are written, whoever writes them, and says so once they are committed.

Caches and open connections would otherwise go by what was true. On PostgreSQL the word reaches every process: it is
part of the transaction, so it is neither sent for a change that was rolled back nor lost for one that was not.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Update, event, inspect
from sqlalchemy.orm import ORMExecuteState

from riveredge_kernel.db.wall import TenantSession, seal

CHANNEL = "riveredge_grants"
# What somebody may do hangs on the rows of these tables.
_LINKS = frozenset(
    {"kernel_membership", "kernel_membership_role", "kernel_service_account_role", "kernel_tenant_plugin"}
    # What the organisation demands of its sessions is kept there.
    | {"kernel_tenant_settings"}
)
# A new row of these gives and takes nothing yet; a changed or deleted one does.
_OWNERS = frozenset(
    {"kernel_user", "kernel_session", "kernel_api_key", "kernel_service_account", "kernel_tenant", "kernel_role"}
)
# Written at every sign-in, and nobody's rights depend on them.
_HARMLESS = frozenset(
    {"updated_at", "version", "failed_logins", "locked_until", "last_used_at", "last_used_from"}
    | {"idle_at", "ip", "user_agent", "acting_tenant_id"}
)
# Of no use to anybody but the one who signs in, and written by strangers.
_IRRELEVANT = frozenset({"OidcAttempt"})
_FOUND = "riveredge_grants_found"
_LISTENER = "riveredge_grants_listener"
# More than this in one transaction counts as everybody's.
_MANY = 50


@dataclass(slots=True)
class GrantsChange:
    """Whose rights have changed: of these users, of everybody in these tenants, or of everybody."""

    users: set[UUID] = field(default_factory=set)
    tenants: set[UUID] = field(default_factory=set)
    everybody: bool = False

    def as_text(self) -> str:
        if self.everybody or len(self.users) + len(self.tenants) > _MANY:
            return "{}"
        return json.dumps({"users": [str(u) for u in self.users], "tenants": [str(t) for t in self.tenants]})

    @classmethod
    def from_text(cls, text: str) -> "GrantsChange":
        """What another process has said; everybody's, if it cannot be understood."""
        try:
            content: Mapping[str, Iterable[str]] = json.loads(text)
            users, tenants = ({UUID(i) for i in content[name]} for name in ("users", "tenants"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls(everybody=True)
        return cls(users, tenants)


Listener = Callable[[GrantsChange], None]


def listening(listener: Listener | None) -> dict[str, Any]:
    """The part of a new session's `info` that says whom to tell."""
    return {_LISTENER: listener}


@event.listens_for(TenantSession, "after_flush")
def _on_flush(session: TenantSession, _context: Any) -> None:
    for row in session.new:
        if _table(row) in _LINKS:
            _note(session, row)
    for row in session.dirty:
        if _table(row) in _LINKS | _OWNERS and _changes(row):
            _note(session, row)
    for row in session.deleted:
        if _table(row) in _LINKS | _OWNERS:
            _note(session, row)


@event.listens_for(TenantSession, "do_orm_execute")
def _on_execute(state: ORMExecuteState) -> None:
    statement = state.statement
    if not isinstance(statement, Update | Delete) or state.bind_mapper is None:
        return
    if _table(state.bind_mapper.class_) not in _LINKS | _OWNERS:
        return
    names = {str(getattr(key, "key", key)) for key in (getattr(statement, "_values", None) or {})}
    if isinstance(statement, Delete) or names - _HARMLESS:
        _found(state.session).everybody = True


@event.listens_for(TenantSession, "before_commit")
def _on_commit(session: TenantSession) -> None:
    if session.new or session.dirty or session.deleted:
        session.flush()
    found: GrantsChange | None = session.info.get(_FOUND)
    if found is None or session.get_bind().dialect.name != "postgresql":
        return
    session.connection().exec_driver_sql(
        "SELECT pg_notify($1, $2)", (CHANNEL, found.as_text()), execution_options=seal()
    )


@event.listens_for(TenantSession, "after_commit")
def _after_commit(session: TenantSession) -> None:
    found: GrantsChange | None = session.info.pop(_FOUND, None)
    listener: Listener | None = session.info.get(_LISTENER)
    if found is not None and listener is not None:
        listener(found)


@event.listens_for(TenantSession, "after_rollback")
def _after_rollback(session: TenantSession) -> None:
    session.info.pop(_FOUND, None)


def _table(row: Any) -> str:
    return str(getattr(row, "__tablename__", ""))


def _changes(row: Any) -> bool:
    return any(a.key not in _HARMLESS and a.history.has_changes() for a in inspect(row).attrs)


def _found(session: Any) -> GrantsChange:
    found: GrantsChange = session.info.setdefault(_FOUND, GrantsChange())
    return found


def _note(session: TenantSession, row: Any) -> None:
    found = _found(session)
    user, tenant = getattr(row, "user_id", None), getattr(row, "tenant_id", None)
    if user is not None:
        found.users.add(user)
    elif tenant is not None:
        found.tenants.add(tenant)
    elif _table(row) == "kernel_tenant":
        found.tenants.add(row.id)
    else:
        found.users.add(row.id)
