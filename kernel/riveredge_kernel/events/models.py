"""The outbox table."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field

from riveredge_kernel.db.base import KernelMixedModel
from riveredge_sdk.models import JsonType, UtcDateTime


class OutboxState(StrEnum):
    """`pending`: to be sent. `sent`: acknowledged, but no run was seen yet. `confirmed`: done with.

    An acknowledgement is not yet safety: a killed Inngest server forgets acknowledged events.
    """

    PENDING = "pending"
    SENT = "sent"
    CONFIRMED = "confirmed"


class OutboxEvent(KernelMixedModel, table=True):
    """An event, written in the transaction that caused it. `id` is the event's id, also for Inngest."""

    __tablename__ = "kernel_outbox"
    portable = False
    __table_args__ = (
        Index(
            "ix_kernel_outbox_open",
            "next_attempt_at",
            postgresql_where=text("state <> 'confirmed'"),
            sqlite_where=text("state <> 'confirmed'"),
        ),
    )

    name: str = Field(max_length=255)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    request_id: str = Field(default="", max_length=64)
    traceparent: str | None = Field(default=None, max_length=55, description="The span that published it (W3C).")
    state: str = Field(default=OutboxState.PENDING, max_length=20)
    consumed: bool = Field(default=False, description="A function is triggered by it, so a run is expected.")
    seen_by: list[str] | None = Field(
        default=None, sa_type=JsonType, description="Functions that took it in a batch, whose run names another event."
    )
    attempts: int = 0
    next_attempt_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=2000)
