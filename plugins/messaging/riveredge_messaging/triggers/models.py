"""Tables of notification rules, and of what each of them did."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime


class NotificationRule(Model, table=True):
    """When an event happens, under a condition, somebody gets a message."""

    __tablename__ = "messaging_notification_rule"
    __table_args__ = (
        UniqueConstraint("tenant_id", "title"),
        Index("ix_messaging_notification_rule_tenant_id_event", "tenant_id", "event"),
    )

    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    enabled: bool = True
    event: str = Field(max_length=200)
    condition: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    recipients: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    template: str = Field(max_length=100)
    category: str | None = Field(default=None, max_length=100)
    channels: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    timing: dict[str, Any] | None = Field(default=None, sa_type=JsonType)


class FiringState(StrEnum):
    """`planned`: it waits for its time. `skipped`: there was nobody, or no time left."""

    PLANNED = "planned"
    SENT = "sent"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RuleFiring(Model, table=True):
    """What a rule did about one event. The row keeps an event that comes again from being taken twice."""

    __tablename__ = "messaging_rule_firing"
    __table_args__ = (
        tenant_fk("rule_id", "messaging_notification_rule", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "rule_id", "event_id"),
        Index("ix_messaging_rule_firing_tenant_id_subject", "tenant_id", "rule_id", "subject", "state"),
        Index("ix_messaging_rule_firing_tenant_id_created_at", "tenant_id", "created_at"),
    )

    rule_id: UUID
    event_id: UUID
    state: str = Field(default=FiringState.PLANNED, max_length=20)
    subject: str = Field(default="", max_length=200, description="What the event is about; empty: nothing is planned.")
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    message_id: UUID | None = None
    detail: str = Field(default="", max_length=2000)
    data: dict[str, Any] = Field(
        default_factory=dict, sa_type=JsonType, nullable=False, description="The event's, while it is planned."
    )


MODELS = (NotificationRule, RuleFiring)
