"""The tables."""

from uuid import UUID

from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk


class Model(TenantModel, registry=plugin_registry("example")):
    """Base of the example plugin's tables."""


class Note(Model, table=True):
    """Something to remember."""

    __tablename__ = "example_note"

    title: str = Field(max_length=200)
    text: str = ""
    author_id: UUID | None = None
    reminders: int = 0


class Tag(Model, table=True):
    """A word on a note."""

    __tablename__ = "example_tag"
    __table_args__ = (tenant_fk("note_id", "example_note", ondelete="CASCADE"),)

    note_id: UUID
    word: str = Field(max_length=50)
