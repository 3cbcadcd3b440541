"""Tables of templates, their versions, and the layouts and partials they share."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime


class VersionStatus(StrEnum):
    """A draft changes; what has been published never does."""

    DRAFT = "draft"
    PUBLISHED = "published"


class BlockKind(StrEnum):
    """A layout goes around mails; a partial is a piece that texts include."""

    LAYOUT = "layout"
    PARTIAL = "partial"


class Template(Model, table=True):
    """A tenant's own template, or its version of a contributed one with the same key.

    `published` is the number of the version that new messages use, `draft` that of the one being worked on.
    """

    __tablename__ = "messaging_template"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    category: str | None = Field(default=None, max_length=100)
    published: int | None = None
    draft: int | None = None
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TemplateVersion(Model, table=True):
    """One state of a template's texts. Messages name it, so that later changes do not reach them."""

    __tablename__ = "messaging_template_version"
    __table_args__ = (
        tenant_fk("template_id", "messaging_template", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "template_id", "number"),
    )

    template_id: UUID
    number: int
    status: str = Field(default=VersionStatus.DRAFT, max_length=20)
    texts: dict[str, Any] = Field(sa_type=JsonType, nullable=False, description="By locale, for every channel.")
    variants: dict[str, Any] = Field(
        sa_type=JsonType, nullable=False, description="By channel and locale, instead of the texts."
    )
    variables: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    sample: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    layout: str | None = Field(default=None, max_length=100, description="None: the tenant's; empty: no layout.")
    partials: dict[str, Any] = Field(
        default_factory=dict, sa_type=JsonType, nullable=False, description="As they were when it was published."
    )
    note: str = Field(default="", max_length=500)
    author_id: UUID | None = None
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Block(Model, table=True):
    """A layout or a partial."""

    __tablename__ = "messaging_block"
    __table_args__ = (UniqueConstraint("tenant_id", "kind", "key"),)

    kind: str = Field(max_length=20)
    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    text: str = Field(default="")
    html: str | None = None
