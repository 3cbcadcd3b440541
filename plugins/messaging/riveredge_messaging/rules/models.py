"""Tables of what decides about messages: categories, preferences, policies, quiet hours, digests and throttles."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime

# In preferences and policies: every category, or every channel.
ANY = ""
_IS_OPEN = text("status = 'open'")


class PolicyRule(StrEnum):
    """`off`: it is off until a person switches it on."""

    MANDATORY = "mandatory"
    FORBIDDEN = "forbidden"
    OFF = "off"


class BucketStatus(StrEnum):
    """An open bucket takes items; a closed one has been sent."""

    OPEN = "open"
    CLOSED = "closed"


class Category(Model, table=True):
    """A tenant's own category, or its version of a contributed one with the same key."""

    __tablename__ = "messaging_category"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    kind: str = Field(default="ordinary", max_length=20)
    mandatory: bool = False
    channels: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    duplicates: str = Field(default="retry", max_length=10)
    digest: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    throttle: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    escalation: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)


class Policy(Model, table=True):
    """What a tenant says about a category on a channel; it goes before what people choose."""

    __tablename__ = "messaging_policy"
    __table_args__ = (UniqueConstraint("tenant_id", "category", "channel"),)

    category: str = Field(default=ANY, max_length=100)
    channel: str = Field(default=ANY, max_length=100)
    rule: str = Field(max_length=20)


class Preference(Model, table=True):
    """What a person has chosen for a category on a channel."""

    __tablename__ = "messaging_preference"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "category", "channel"),)

    user_id: UUID
    category: str = Field(default=ANY, max_length=100)
    channel: str = Field(default=ANY, max_length=100)
    wanted: bool


class QuietHours(Model, table=True):
    """When a person is not to be disturbed. No windows: never; no row: as the tenant's settings say."""

    __tablename__ = "messaging_quiet_hours"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    user_id: UUID
    windows: list[dict[str, Any]] = Field(sa_type=JsonType, nullable=False)
    zone: str | None = Field(default=None, max_length=64, description="None: the person's.")


class Bucket(Model, table=True):
    """Messages to one person that become one. At most one is open for each key."""

    __tablename__ = "messaging_digest_bucket"
    __table_args__ = (
        Index(
            "uq_messaging_digest_bucket_open",
            "tenant_id",
            "recipient_id",
            "key",
            unique=True,
            postgresql_where=_IS_OPEN,
            sqlite_where=_IS_OPEN,
        ),
    )

    recipient_id: UUID
    key: str = Field(max_length=300)
    category: str = Field(max_length=100)
    status: str = Field(default=BucketStatus.OPEN, max_length=20)
    rule: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    due_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    latest_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    count: int = 0
    message_id: UUID | None = Field(default=None, description="What came of it.")


class Allowance(Model, table=True):
    """When a person's next message of a category on a channel may go, as the throttle has promised."""

    __tablename__ = "messaging_allowance"
    __table_args__ = (UniqueConstraint("tenant_id", "recipient_id", "category", "channel"),)

    recipient_id: UUID
    category: str = Field(max_length=100)
    channel: str = Field(max_length=100)
    taken_until: datetime = Field(sa_type=UtcDateTime, nullable=False)


class Topic(Model, table=True):
    """Something that people follow."""

    __tablename__ = "messaging_topic"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=200)
    title: str = Field(default="", max_length=200)


class Follower(Model, table=True):
    """A person who follows a topic."""

    __tablename__ = "messaging_follower"
    __table_args__ = (
        tenant_fk("topic_id", "messaging_topic", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "topic_id", "user_id"),
        Index("ix_messaging_follower_tenant_id_user_id", "tenant_id", "user_id"),
    )

    topic_id: UUID
    user_id: UUID
