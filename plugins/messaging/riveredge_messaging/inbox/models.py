"""Tables of the in-app inbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import current_context, tenant_fk, utcnow
from riveredge_sdk.models import JsonType, UtcDateTime

_COUNTED = text("read_at IS NULL AND archived_at IS NULL AND snoozed_until IS NULL AND deleted_at IS NULL")
_SNOOZED = text("snoozed_until IS NOT NULL")
_DELETED = text("deleted_at IS NOT NULL")


class InboxItem(Model, table=True):
    """A message in a person's in-app inbox.

    Read, archived and deleted items are seen as well. `shown_at` is its place in the list: when it came, or came back
    after it was snoozed.
    """

    __tablename__ = "messaging_inbox_item"
    __table_args__ = (
        tenant_fk("delivery_id", "messaging_delivery", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "delivery_id"),
        Index("ix_messaging_inbox_item_tenant_id_recipient_id", "tenant_id", "recipient_id", "shown_at"),
        Index(
            "ix_messaging_inbox_item_unread",
            "tenant_id",
            "recipient_id",
            postgresql_where=_COUNTED,
            sqlite_where=_COUNTED,
        ),
        Index(
            "ix_messaging_inbox_item_snoozed",
            "tenant_id",
            "recipient_id",
            "snoozed_until",
            postgresql_where=_SNOOZED,
            sqlite_where=_SNOOZED,
        ),
        Index(
            "ix_messaging_inbox_item_deleted",
            "tenant_id",
            "deleted_at",
            postgresql_where=_DELETED,
            sqlite_where=_DELETED,
        ),
    )

    delivery_id: UUID
    recipient_id: UUID
    subject: str = Field(max_length=500)
    text: str
    category: str = Field(default="", max_length=100)
    tags: str = Field(default="", max_length=520, description="Comma before, between and after: `,urgent,hr,`.")
    link: str | None = Field(default=None, max_length=2000)
    actions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    answer: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    shown_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, nullable=False)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Inbox(Model, table=True):
    """When something that a person has snoozed comes back next. Whoever snoozes holds this row until the commit."""

    __tablename__ = "messaging_inbox"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    user_id: UUID
    wakes_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="When the next snooze ends.")


class InboxTab(Model, table=True):
    """A tab of everybody's inbox in the organisation: items of some categories, or with some tags."""

    __tablename__ = "messaging_inbox_tab"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=40)
    titles: dict[str, str] = Field(sa_type=JsonType, nullable=False)
    categories: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    tags: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    position: int = 0

    @property
    def title(self) -> str:
        """In the language of whoever is served."""
        locale = current_context().locale
        return self.titles.get(locale) or self.titles.get(locale.partition("-")[0]) or self.titles["en"]
