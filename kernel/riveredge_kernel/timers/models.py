"""The tables."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel, KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime


class TimerState(StrEnum):
    """`waiting`: to be claimed. `dispatched`: its event is on the way. `held`: the event came while its tenant was not
    served; it waits until that is over. `fired` and `cancelled` are ends.
    """

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    HELD = "held"
    FIRED = "fired"
    CANCELLED = "cancelled"


# States in which a timer can still be cancelled.
OPEN = (TimerState.WAITING, TimerState.DISPATCHED, TimerState.HELD)


class Timer(KernelTenantModel, table=True):
    """An event to be published at `due_at`. Setting it again keeps the row and counts its `generation`.

    Only the event that `event_id` names may start functions: whatever was sent before for the same row is stale.
    """

    __tablename__ = "kernel_timer"
    __table_args__ = (
        UniqueConstraint("tenant_id", "owner_kind", "owner_id", "name"),
        Index(
            "ix_kernel_timer_open",
            "state",
            "due_at",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_kernel_timer_ended_at",
            "ended_at",
            postgresql_where=text("ended_at IS NOT NULL"),
            sqlite_where=text("ended_at IS NOT NULL"),
        ),
    )

    owner_kind: str = Field(max_length=100)
    owner_id: str = Field(max_length=100)
    name: str = Field(max_length=100)
    generation: int = 1
    due_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    event: str = Field(max_length=255)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    request_id: str = Field(default="", max_length=64, description="The request that set it.")
    state: str = Field(default=TimerState.WAITING, max_length=20)
    event_id: UUID | None = Field(default=None, description="The published event, once it is dispatched.")
    dispatched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    held_for: str | None = Field(default=None, max_length=63, description="The plugin that could not be served.")
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    run_id: str | None = Field(default=None, max_length=64, description="The first run that it started.")


class Heartbeat(KernelPlatformModel, table=True):
    """When something that must not stop was last seen at work. `asked_at` is when it was last asked for."""

    __tablename__ = "kernel_heartbeat"

    name: str = Field(max_length=100, unique=True)
    beat_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    asked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
