"""Writes the audit log, and the one thing that may take from it: retention."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.audit.models import AuditEntry, AuditMaintenance
from riveredge_kernel.db.database import Database
from riveredge_kernel.db.own_rows import fresh, send_rows
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context, current_context
from riveredge_sdk.models import utcnow
from riveredge_sdk.runtime import Runtime

_INSERT = insert(AuditEntry.__table__)  # type: ignore[attr-defined]


def write(session: Session, records: Sequence[AuditRecord]) -> None:
    """Add entries, in the running transaction, for the running context."""
    context, now = current_context(), utcnow()
    send_rows(session, _INSERT, [{**fresh(now), **_row(record, context)} for record in records])


def entry(record: AuditRecord, *, actor_kind: str | None = None, context: Context | None = None) -> AuditEntry:
    """An entry to add to a session of the kernel's own: for what is done outside of any tenant's unit of work."""
    row = _row(record, context or current_context())
    return AuditEntry(**(row if actor_kind is None else {**row, "actor_kind": actor_kind}))


def _row(record: AuditRecord, context: Context) -> dict[str, Any]:
    principal = context.principal
    kind = principal.kind if principal else "function" if context.run_id else "system"
    return {
        "tenant_id": record.tenant_id or context.tenant_id,
        "action": record.action,
        "object_kind": record.object_kind,
        "object_id": record.object_id,
        "object_title": record.object_title,
        "details": dict(record.details),
        "actor_kind": kind,
        "actor_id": principal.id if principal else None,
        "actor_name": principal.name[:200] if principal else "",
        "api_key_id": principal.api_key_id if principal else None,
        "address": context.address,
        "request_id": context.request_id[:64],
        "run_id": context.run_id,
    }


@asynccontextmanager
async def maintenance(session: AsyncSession, reason: str) -> AsyncIterator[None]:
    """Let this transaction of the system role change the log within the block."""
    session.add(AuditMaintenance(reason=reason))
    await session.flush()
    yield
    await session.exec(delete(AuditMaintenance))


class AuditLog:
    """What the kernel does with the log besides writing it."""

    def __init__(self, database: Database, runtime: Runtime, retention_days: int | None) -> None:
        self._database = database
        self._runtime = runtime
        self._keep = timedelta(days=retention_days) if retention_days else None

    async def prune(self) -> int:
        """Delete what is older than the retention; the number of entries."""
        if self._keep is None:
            return 0
        old = delete(AuditEntry).where(col(AuditEntry.created_at) < utcnow() - self._keep)
        async with self._database.system("audit retention", self._runtime) as db, maintenance(db, "retention"):
            return (await db.exec(old)).rowcount
