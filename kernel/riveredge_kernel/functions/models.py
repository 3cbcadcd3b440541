"""The mirror of runs."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelMixedModel
from riveredge_sdk.models import UtcDateTime


class RunStatus(StrEnum):
    """As Inngest names them."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Run(KernelMixedModel, table=True):
    """One run of a durable function, as far as this platform has seen it."""

    __tablename__ = "kernel_run"
    __table_args__ = (
        UniqueConstraint("tenant_id", "run_id"),
        Index("ix_kernel_run_tenant_id_started_at", "tenant_id", "started_at"),
    )

    run_id: str = Field(max_length=64, unique=True, description="Inngest's id of the run.")
    function: str = Field(max_length=200)
    event_id: UUID | None = Field(default=None, index=True)
    event_name: str = Field(default="", max_length=255)
    request_id: str = Field(default="", max_length=64)
    status: str = Field(default=RunStatus.RUNNING, max_length=20)
    attempt: int = 0
    step: str | None = Field(default=None, max_length=500, description="The step it was last seen at.")
    error: str | None = Field(default=None, max_length=4000)
    started_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RunStep(KernelMixedModel, table=True):
    """One step of a run, with its last attempt."""

    __tablename__ = "kernel_run_step"
    __table_args__ = (
        UniqueConstraint("run_id", "step"),
        ForeignKeyConstraint(
            ["tenant_id", "run_id"], ["kernel_run.tenant_id", "kernel_run.run_id"], ondelete="CASCADE"
        ),
    )

    run_id: str = Field(max_length=64)
    step: str = Field(max_length=500)
    status: str = Field(default=RunStatus.RUNNING, max_length=20)
    attempt: int = 0
    error: str | None = Field(default=None, max_length=4000)
    started_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
