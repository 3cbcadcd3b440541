"""Tables of messages, their deliveries and tenants' templates."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime


class Model(TenantModel, registry=plugin_registry("messaging")):
    """Base of the messaging plugin's tables."""


class DeliveryStatus(StrEnum):
    """`sent`: the peer has taken it. `skipped`: the recipient cannot be reached on that channel."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Template(Model, table=True):
    """A tenant's own template, or its version of a contributed one with the same key."""

    __tablename__ = "messaging_template"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    texts: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    variables: dict[str, Any] = Field(sa_type=JsonType, nullable=False)


class Message(Model, table=True):
    """A message to one or more people; each of them on each channel is a delivery."""

    __tablename__ = "messaging_message"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index("ix_messaging_message_tenant_id_created_at", "tenant_id", "created_at"),
    )

    template: str = Field(max_length=100)
    data: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    sender_id: UUID | None = None
    correlation: str | None = Field(default=None, max_length=200)
    idempotency_key: str | None = Field(default=None, max_length=255)


class Delivery(Model, table=True):
    """A message on its way to one person over one channel."""

    __tablename__ = "messaging_delivery"
    __table_args__ = (
        tenant_fk("message_id", "messaging_message", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "message_id", "recipient_id", "channel"),
        Index("ix_messaging_delivery_tenant_id_created_at", "tenant_id", "created_at"),
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
