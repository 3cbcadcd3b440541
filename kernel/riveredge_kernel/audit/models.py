"""Tables of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Uuid
from sqlmodel import Field

from riveredge_kernel.db.base import KernelMixedModel, KernelPlatformModel
from riveredge_sdk.models import JsonType, UtcDateTime, utcnow


class AuditEntry(KernelMixedModel, table=True):
    """Who did what to which object, when and from where. Triggers refuse to change or delete one.

    `actor_kind` is `user`, `service`, `function` (then there is a `run_id`), `operator` (the command line) or `system`.
    """

    __tablename__ = "kernel_audit"
    __table_args__ = (
        Index("ix_kernel_audit_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_kernel_audit_tenant_id_object", "tenant_id", "object_kind", "object_id"),
        Index("ix_kernel_audit_tenant_id_actor_id", "tenant_id", "actor_id"),
    )

    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, nullable=False)
    action: str = Field(max_length=100)
    object_kind: str = Field(max_length=100)
    object_id: str = Field(max_length=200)
    object_title: str = Field(default="", max_length=200)
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    actor_kind: str = Field(max_length=20)
    actor_id: UUID | None = Field(default=None, sa_type=Uuid)
    actor_name: str = Field(default="", max_length=200)
    api_key_id: UUID | None = Field(default=None, sa_type=Uuid)
    address: str | None = Field(default=None, max_length=64)
    request_id: str = Field(default="", max_length=64)
    run_id: str | None = Field(default=None, max_length=100)


class AuditMaintenance(KernelPlatformModel, table=True):
    """While the transaction that wrote a row here lasts, that transaction may change the audit log.

    The serving role cannot write here, and the row is gone again before the commit.
    """

    __tablename__ = "kernel_audit_maintenance"

    reason: str = Field(max_length=100)
