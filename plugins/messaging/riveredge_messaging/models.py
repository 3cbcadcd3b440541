"""Tables of messages, their deliveries, and what was decided about them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk, utcnow
from riveredge_sdk.models import JsonType, UtcDateTime


class Model(TenantModel, registry=plugin_registry("messaging")):
    """Base of the messaging plugin's tables."""


class DeliveryStatus(StrEnum):
    """`deferred`: a rule holds it until later. `sent`: the peer has taken it. `skipped`: the recipient cannot be
    reached on that channel, or does not want it. `digested`: it went into a digest. `unknown`: it may have been sent,
    and is not repeated."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNKNOWN = "unknown"
    FAILED = "failed"
    FAILED_RENDER = "failed_render"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    DIGESTED = "digested"


class Stage(StrEnum):
    """How far a message is: it waits for its time, its deliveries are being made, or they are all made."""

    SCHEDULED = "scheduled"
    EXPANDING = "expanding"
    READY = "ready"


class MessageKind(StrEnum):
    """`test`: to whoever sent it, past the rules. `digest`: of several others."""

    MESSAGE = "message"
    TEST = "test"
    DIGEST = "digest"


class Verdict(StrEnum):
    """What a rule decided. `held`: later; `info`: nothing, but it is worth knowing."""

    LET_THROUGH = "let_through"
    HELD = "held"
    STOPPED = "stopped"
    INFO = "info"


class Message(Model, table=True):
    """A message to one or more people; each of them on each channel is a delivery."""

    __tablename__ = "messaging_message"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index("ix_messaging_message_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_messaging_message_tenant_id_correlation", "tenant_id", "correlation"),
    )

    template: str = Field(max_length=100)
    template_version_id: UUID | None = Field(default=None, description="None: a plugin's template.")
    data: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    sender_id: UUID | None = None
    correlation: str | None = Field(default=None, max_length=200)
    idempotency_key: str | None = Field(default=None, max_length=255)
    request_hash: str | None = Field(default=None, max_length=64, description="By which other requests are told.")
    kind: str = Field(default=MessageKind.MESSAGE, max_length=20)
    category: str = Field(default="messaging.general", max_length=100)
    channels: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    audience: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    digest_key: str | None = Field(default=None, max_length=200)
    send_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    files: int = Field(default=0, description="How many go with it.")
    stage: str = Field(default=Stage.READY, max_length=20)
    recipients: int = Field(default=0, description="For whom deliveries have been made so far.")
    cursor: UUID | None = Field(default=None, description="The last of them.")
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="When the last push of its progress is due, or was."
    )
    cancelled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Delivery(Model, table=True):
    """A message on its way to one person over one channel."""

    __tablename__ = "messaging_delivery"
    __table_args__ = (
        tenant_fk("message_id", "messaging_message", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "message_id", "recipient_id", "channel"),
        Index("ix_messaging_delivery_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_messaging_delivery_tenant_id_recipient_id", "tenant_id", "recipient_id", "created_at"),
        Index("ix_messaging_delivery_tenant_id_bucket_id", "tenant_id", "bucket_id"),
    )

    message_id: UUID
    recipient_id: UUID
    channel: str = Field(max_length=100)
    status: str = Field(default=DeliveryStatus.QUEUED, max_length=20)
    attempts: int = 0
    address: str | None = Field(default=None, max_length=500)
    reference: str | None = Field(default=None, max_length=500, description="The peer's own id.")
    error: str | None = Field(default=None, max_length=2000)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    via: str = Field(default="user", max_length=210, description="What the person was reached by.")
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="Until when it is held.")
    held_by: str | None = Field(default=None, max_length=40, description="The rule that holds it.")
    reason: str | None = Field(default=None, max_length=60, description="Why it is held, or ended unsent.")
    bucket_id: UUID | None = Field(default=None, description="The digest it waits for, or went into.")
    queued_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="Since when it is being tried.")
    next_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="When it is tried again.")
    pinned_config: str | None = Field(default=None, max_length=100, description="The only one to go through.")


class Decision(Model, table=True):
    """What one rule decided about a message, one of its recipients or one of its deliveries. Written once."""

    __tablename__ = "messaging_decision"
    __table_args__ = (
        tenant_fk("message_id", "messaging_message", ondelete="CASCADE"),
        Index("ix_messaging_decision_tenant_id_message_id", "tenant_id", "message_id", "at"),
        Index("ix_messaging_decision_tenant_id_recipient_id", "tenant_id", "recipient_id", "at"),
    )

    message_id: UUID
    delivery_id: UUID | None = None
    recipient_id: UUID | None = None
    at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, nullable=False)
    rule: str = Field(max_length=40)
    verdict: str = Field(max_length=20)
    reason: str = Field(max_length=60)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
