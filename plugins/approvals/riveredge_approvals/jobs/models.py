"""What the tables of all jobs have."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from riveredge_approvals.models import Model
from riveredge_sdk.models import UtcDateTime


class JobStatus(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class JobRow(Model):
    """How far a job is.

    Attributes:
        total: how many things there were to be done when it began.
        done: how many of them it has come to, `kept` among them.
        kept: those that were left as they were.
        error: why it failed for good.
    """

    status: str = Field(default=JobStatus.RUNNING, max_length=20)
    total: int = 0
    done: int = 0
    kept: int = 0
    error: str = Field(default="", max_length=500)
    started_by: UUID | None = None
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
