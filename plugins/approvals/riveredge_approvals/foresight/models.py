"""Tables: rehearsals, and what they found of each request."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_approvals.jobs.models import JobRow
from riveredge_approvals.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime


class Rehearsal(JobRow, table=True):
    """Requests of the past, walked through a draft as it was then (`compiled`, with its form)."""

    __tablename__ = "approvals_rehearsal"
    __table_args__ = (
        tenant_fk("process_id", "approvals_process", ondelete="CASCADE"),
        Index("ix_approvals_rehearsal_tenant_id_process_id", "tenant_id", "process_id"),
    )

    process_id: UUID
    draft_rev: int
    compiled: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    form_schema: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    begin_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    end_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    summary: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)


class RehearsalLine(Model, table=True):
    """One of its requests. `differs` is None until it was walked."""

    __tablename__ = "approvals_rehearsal_line"
    __table_args__ = (
        UniqueConstraint("tenant_id", "rehearsal_id", "seq"),
        tenant_fk("rehearsal_id", "approvals_rehearsal", ondelete="CASCADE"),
    )

    rehearsal_id: UUID
    seq: int
    instance_id: UUID
    number: str = Field(max_length=100)
    differs: bool | None = None
    outcome: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)


FORESIGHT_MODELS = (Rehearsal, RehearsalLine)
