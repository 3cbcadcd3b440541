"""The tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk
from riveredge_sdk.models import UtcDateTime


class Model(TenantModel, registry=plugin_registry("example")):
    """Base of the example plugin's tables."""


class Note(Model, table=True):
    """Something to remember."""

    __tablename__ = "example_note"

    title: str = Field(max_length=200)
    text: str = ""
    author_id: UUID | None = None
    reminders: int = 0


class Chime(Model, table=True):
    """A note that calls for attention again and again: a due row of the plugin's own."""

    __tablename__ = "example_chime"
    __table_args__ = (
        tenant_fk("note_id", "example_note", ondelete="CASCADE"),
        # The tick claims across tenants, so the index does not begin with the tenant.
        Index(
            "ix_example_chime_due",
            "next_at",
            postgresql_where=text("planned_for IS NULL"),
            sqlite_where=text("planned_for IS NULL"),
        ),
    )

    note_id: UUID
    every_seconds: int
    next_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    planned_for: datetime | None = Field(default=None, sa_type=UtcDateTime)
    chimed: int = 0


class Tag(Model, table=True):
    """A word on a note."""

    __tablename__ = "example_tag"
    __table_args__ = (tenant_fk("note_id", "example_note", ondelete="CASCADE"),)

    note_id: UUID
    word: str = Field(max_length=50)
