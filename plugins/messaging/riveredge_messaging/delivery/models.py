"""Tables of sending: configurations of providers and how they do, attempts, rates, suppressed addresses, call-backs."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime
from riveredge_sdk.secrets import SealedText


class MessageConfig(Model, table=True):
    """A provider as an organisation uses it: its settings, and when it is chosen."""

    __tablename__ = "messaging_config"
    __table_args__ = (
        UniqueConstraint("tenant_id", "title"),
        Index("ix_messaging_config_tenant_id_channel", "tenant_id", "channel", "priority"),
    )

    title: str = Field(max_length=200)
    provider: str = Field(max_length=100)
    channel: str = Field(max_length=100)
    active: bool = True
    priority: int = 100
    conditions: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    per_minute: int | None = None
    cost: dict[str, Any] | None = Field(default=None, sa_type=JsonType, description="Of one message.")
    values: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    secrets: str | None = Field(default=None, sa_type=SealedText)
    keeper_id: UUID | None = Field(default=None, description="Who set it up; told when it fails.")


class Circuit(StrEnum):
    """`half_open`: one delivery tries whether it works again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class ConfigHealth(Model, table=True):
    """How a configuration does, one row for all processes. `config` is its id, or the name of a built-in one."""

    __tablename__ = "messaging_config_health"
    __table_args__ = (UniqueConstraint("tenant_id", "config"),)

    config: str = Field(max_length=100)
    circuit: str = Field(default=Circuit.CLOSED, max_length=20)
    failures: int = 0
    failures_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    openings: int = Field(default=0, description="In a row; each makes the next pause longer.")
    open_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resting_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    out_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    fault: str | None = Field(default=None, max_length=500)
    last_error: str | None = Field(default=None, max_length=500)
    last_failure_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing that a success would change."""
        return self.circuit == Circuit.CLOSED and self.failures == 0 and self.openings == 0 and self.fault is None


class AttemptState(StrEnum):
    """How one attempt went. `sending`: it is under way, or its process has died."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    TEMPORARY = "temporary"
    QUOTA = "quota"
    NOT_BEGUN = "not_begun"
    UNKNOWN = "unknown"


class DeliveryAttempt(Model, table=True):
    """One try to hand a delivery over. Committed before anything is sent, so that a crash leaves a trace."""

    __tablename__ = "messaging_attempt"
    __table_args__ = (
        tenant_fk("delivery_id", "messaging_delivery", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "delivery_id", "number"),
        Index("ix_messaging_attempt_tenant_id_reference", "tenant_id", "reference"),
    )

    delivery_id: UUID
    number: int
    config: str = Field(max_length=100)
    provider: str = Field(max_length=100)
    state: str = Field(default=AttemptState.SENDING, max_length=20)
    lease_until: datetime = Field(sa_type=UtcDateTime, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=2000)
    reference: str | None = Field(default=None, max_length=500)


class RateBucket(Model, table=True):
    """When the next message may go at a limited rate (the theoretical arrival time of the cell rate algorithm)."""

    __tablename__ = "messaging_rate_bucket"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=150)
    next_at: datetime = Field(sa_type=UtcDateTime, nullable=False)


class Suppression(Model, table=True):
    """An address that gets nothing any more. Of the address itself only a digest and a hint are kept."""

    __tablename__ = "messaging_suppression"
    __table_args__ = (UniqueConstraint("tenant_id", "channel", "digest"),)

    channel: str = Field(max_length=100)
    digest: str = Field(max_length=64)
    hint: str = Field(max_length=100)
    reason: str = Field(max_length=30)
    detail: str = Field(default="", max_length=500)
    delivery_id: UUID | None = None


class ProviderNotice(Model, table=True):
    """What a provider told by a call-back. Kept once for each of its events, however often they come."""

    __tablename__ = "messaging_provider_notice"
    __table_args__ = (
        UniqueConstraint("tenant_id", "config", "event"),
        Index("ix_messaging_provider_notice_tenant_id_delivery_id", "tenant_id", "delivery_id"),
    )

    config: str = Field(max_length=100)
    event: str = Field(max_length=200)
    kind: str = Field(max_length=20)
    reference: str = Field(max_length=500)
    at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    detail: str = Field(default="", max_length=500)
    delivery_id: UUID | None = None


class LinkKey(Model, table=True):
    """The key that signs an organisation's links in messages. They are good for years, so it is kept."""

    __tablename__ = "messaging_link_key"
    __table_args__ = (UniqueConstraint("tenant_id"),)

    key: str = Field(sa_type=SealedText)


class MessageFile(Model, table=True):
    """A file that goes with a message: its bytes, or the id of a file that is kept elsewhere."""

    __tablename__ = "messaging_file"
    __table_args__ = (
        tenant_fk("message_id", "messaging_message", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "message_id", "position"),
    )

    message_id: UUID
    position: int
    name: str = Field(max_length=200)
    media_type: str = Field(max_length=100)
    content: bytes | None = Field(default=None, sa_type=LargeBinary)
    file_id: UUID | None = None
    content_id: str | None = Field(default=None, max_length=100)


MODELS = (
    MessageConfig,
    ConfigHealth,
    DeliveryAttempt,
    RateBucket,
    Suppression,
    ProviderNotice,
    LinkKey,
    MessageFile,
)
