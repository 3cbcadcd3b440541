"""Tables of schedules, what became of each of their fires, and calendars."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, bindparam, text
from sqlmodel import Field, col

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime


class Model(TenantModel, registry=plugin_registry("scheduling")):
    """Base of the scheduling plugin's tables."""


# Keys of schedules that plugins bring begin so; no key that people give does.
SYSTEM = "system:"


class TaskStatus(StrEnum):
    """`completed`: nothing is left to fire, because of its end, its number of runs, or because it fires once."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"


class FireState(StrEnum):
    """What became of one instant of a plan. `reason` says why it did not run."""

    PLANNED = "planned"
    BUFFERED = "buffered"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    SKIPPED_PAUSED = "skipped_paused"
    SKIPPED_OVERLAP = "skipped_overlap"
    SKIPPED_MISFIRE = "skipped_misfire"
    SKIPPED_REQUESTED = "skipped_requested"
    SKIPPED_ENDED = "skipped_ended"
    SKIPPED_HOLIDAY = "skipped_holiday"


# Waiting for their turn; holding it; all that have not ended.
WAITING = (FireState.PLANNED, FireState.BUFFERED)
HOLDING = (FireState.RUNNING, FireState.RETRYING)
OPEN = (*WAITING, *HOLDING)
_OPEN_INDEX = text("state IN ('planned', 'buffered', 'running', 'retrying')")
_IS_ARMED = text("next_fire_at IS NOT NULL")


class Calendar(Model, table=True):
    """Weekends, holidays and weekends on which people work."""

    __tablename__ = "scheduling_calendar"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    weekdays: list[int] = Field(sa_type=JsonType, nullable=False, description="Workdays by ISO number: Monday is 1.")
    days: list[dict[str, Any]] = Field(sa_type=JsonType, nullable=False)


class ScheduledTask(Model, table=True):
    """A schedule: when, what, and what to do when things go wrong.

    `revision` counts changes of what decides about fires; a fire planned under an earlier one does not run.
    `next_nominal_at` is the next instant of the plan that no fire was made for. `next_fire_at` is when to look at it:
    when it fires, or on a day off before, which leaves a row.
    """

    __tablename__ = "scheduling_task"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        tenant_fk("calendar_id", "scheduling_calendar", ondelete="RESTRICT"),
        Index("ix_scheduling_task_due", "next_fire_at", postgresql_where=_IS_ARMED, sqlite_where=_IS_ARMED),
    )

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    status: str = Field(default=TaskStatus.ACTIVE, max_length=20)
    # What
    action: str = Field(max_length=100)
    params: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    owner_id: UUID | None = Field(default=None, description="Whose permissions it runs with.")
    retries: int | None = None
    retry_delay_s: int = 30
    timeout_s: int | None = None
    # When
    trigger_kind: str = Field(max_length=20)
    trigger: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    zone: str = Field(max_length=64)
    starts_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    max_runs: int | None = None
    calendar_id: UUID | None = None
    on_holiday: str = Field(default="ignore", max_length=20)
    jitter_s: int = 0
    # What if
    overlap: str = Field(default="skip", max_length=20)
    buffer_max: int = 10
    catch_up: str = Field(default="fire_once", max_length=20)
    catch_up_max: int = 10
    catch_up_window_s: int = 86_400
    misfire_grace_s: int = 60
    pause_after_failures: int | None = None
    alarm_to: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    alarm_after_failures: int | None = None
    alarm_late_s: int | None = None
    expect_success_within_s: int | None = None
    # Where it stands
    revision: int = 1
    next_nominal_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_fire_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_nominal_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_failure_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    runs: int = 0
    failures: int = Field(default=0, description="One after the other, since the last success.")
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_by: UUID | None = None
    pause_reason: str | None = Field(default=None, max_length=20)
    pause_note: str | None = Field(default=None, max_length=500)
    resumed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resumed_by: UUID | None = None
    resume_note: str | None = Field(default=None, max_length=500)
    rules: str = Field(default="", max_length=20, description="Release of the time zone rules it was planned with.")


class Fire(Model, table=True):
    """One instant of a schedule's plan, or a run that somebody asked for. It outlives its schedule."""

    __tablename__ = "scheduling_fire"
    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "task_id", "nominal_at", "kind", "batch", "revision", name="uq_scheduling_fire_instant"
        ),
        Index("ix_scheduling_fire_tenant_id_nominal_at", "tenant_id", "nominal_at"),
        Index("ix_scheduling_fire_due", "fire_at", postgresql_where=_OPEN_INDEX, sqlite_where=_OPEN_INDEX),
        Index(
            "ix_scheduling_fire_tenant_id_open",
            "tenant_id",
            "task_id",
            postgresql_where=_OPEN_INDEX,
            sqlite_where=_OPEN_INDEX,
        ),
    )

    task_id: UUID
    task_key: str = Field(max_length=100)
    action: str = Field(max_length=100)
    revision: int
    kind: str = Field(max_length=20)
    batch: str = Field(default="", max_length=36, description="The backfill it belongs to, or its own id if manual.")
    nominal_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    fire_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    state: str = Field(default=FireState.PLANNED, max_length=20)
    reason: str | None = Field(default=None, max_length=40)
    details: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    blocked_by: UUID | None = None
    overlap: str | None = Field(default=None, max_length=20, description="Instead of the schedule's policy.")
    missed_count: int = 0
    attempt: int = 0
    params: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    run_id: str | None = Field(default=None, max_length=64)
    sent_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    result: Any = Field(default=None, sa_type=JsonType, nullable=True)
    error: str | None = Field(default=None, max_length=2000)
    requested_by: UUID | None = None


# The same as the condition of the indexes, and written out: the database has to see that they fit.
IS_OPEN = col(Fire.state).in_(bindparam("open_states", OPEN, expanding=True, literal_execute=True))
