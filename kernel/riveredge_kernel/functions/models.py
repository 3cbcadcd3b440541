"""The mirror of runs."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from riveredge_kernel.db.base import KernelMixedModel, KernelTenantModel
from riveredge_sdk.models import UtcDateTime, utcnow

# Runs that are open after this time are compared with the engine's.
FIRST_CHECK = timedelta(seconds=60)


def _first_check() -> datetime:
    return utcnow() + FIRST_CHECK


class RunStatus(StrEnum):
    """As Inngest names them; `lost` is a run that the engine does not know any more."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class Run(KernelMixedModel, table=True):
    """One run of a durable function, as far as this platform has seen it."""

    __tablename__ = "kernel_run"
    portable = False
    __table_args__ = (
        UniqueConstraint("tenant_id", "run_id"),
        Index("ix_kernel_run_tenant_id_started_at", "tenant_id", "started_at"),
        Index("ix_kernel_run_subject", "tenant_id", "subject_type", "subject_id"),
        Index(
            "ix_kernel_run_trace",
            "tenant_id",
            "trace_id",
            postgresql_where=text("trace_id IS NOT NULL"),
            sqlite_where=text("trace_id IS NOT NULL"),
        ),
        Index(
            "ix_kernel_run_open",
            "next_check_at",
            postgresql_where=text("status = 'running'"),
            sqlite_where=text("status = 'running'"),
        ),
    )

    run_id: str = Field(max_length=64, unique=True, description="Inngest's id of the run.")
    function: str = Field(max_length=200)
    event_id: UUID | None = Field(default=None, index=True)
    event_name: str = Field(default="", max_length=255)
    request_id: str = Field(default="", max_length=64)
    trace_id: str | None = Field(default=None, max_length=32)
    traceparent: str | None = Field(default=None, max_length=55, description="The span of its event (W3C).")
    status: str = Field(default=RunStatus.RUNNING, max_length=20)
    attempt: int = 0
    step: str | None = Field(default=None, max_length=500, description="The step it was last seen at.")
    error: str | None = Field(default=None, max_length=4000)
    started_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    subject_type: str | None = Field(default=None, max_length=100, description="The object that it serves.")
    subject_id: str | None = Field(default=None, max_length=100)
    rerun_of: str | None = Field(default=None, max_length=64, description="The run that this one repeats.")
    rerun_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="When it was repeated.")
    next_check_at: datetime = Field(default_factory=_first_check, sa_type=UtcDateTime, nullable=False)
    misses: int = Field(default=0, description="How often in a row the engine did not know it.")

    @property
    def subject(self) -> dict[str, str] | None:
        """The object that it serves, as type and id."""
        if self.subject_type is None or self.subject_id is None:
            return None
        return {"type": self.subject_type, "id": self.subject_id}

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return _between(self.started_at, self.ended_at)


class RerunStatus(StrEnum):
    """`running` until every run that the filter finds has been repeated or left out."""

    RUNNING = "running"
    COMPLETED = "completed"


class Rerun(KernelTenantModel, table=True):
    """Failed runs that are repeated together, and how far that has come."""

    __tablename__ = "kernel_rerun"
    portable = False

    requested_by_id: UUID | None = Field(default=None)
    filter: str | None = Field(default=None, max_length=10_000)
    cap: int
    status: str = Field(default=RerunStatus.RUNNING, max_length=20)
    found: int = Field(default=0, description="Runs that the filter found when it began, up to the cap.")
    repeated: int = 0
    skipped: int = Field(default=0, description="Runs that cannot be repeated.")
    until: datetime = Field(sa_type=UtcDateTime, nullable=False, description="Only runs that began before this.")
    position: UUID | None = Field(default=None, description="The last row that was looked at.")
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RunStep(KernelMixedModel, table=True):
    """One step of a run, with its last attempt."""

    __tablename__ = "kernel_run_step"
    portable = False
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

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took, or its wait; None while it is waited at."""
        return _between(self.started_at, self.ended_at)


def _between(start: datetime, end: datetime | None) -> float | None:
    return round(max((end - start).total_seconds(), 0.0), 3) if end is not None else None
