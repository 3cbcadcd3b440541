"""Tables of files."""

from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from riveredge_approvals.models import Model
from riveredge_sdk import tenant_fk


class StoredFile(Model, table=True):
    """A file of a comment or, if it has a `field`, of a form. It is its uploader's until a request uses it."""

    __tablename__ = "approvals_file"
    __table_args__ = (
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        Index("ix_approvals_file_tenant_id_instance_id", "tenant_id", "instance_id"),
        Index("ix_approvals_file_tenant_id_uploaded_by", "tenant_id", "uploaded_by"),
    )

    uploaded_by: UUID | None = None
    instance_id: UUID | None = None
    field: str | None = Field(default=None, max_length=200)
    name: str = Field(max_length=200)
    media_type: str = Field(max_length=101)
    size: int
    digest: str = Field(max_length=80)


class StoredContent(Model, table=True):
    """The bytes of a file, apart, so that lists of files do not read them."""

    __tablename__ = "approvals_file_content"
    __table_args__ = (
        UniqueConstraint("tenant_id", "file_id"),
        tenant_fk("file_id", "approvals_file", ondelete="CASCADE"),
    )

    file_id: UUID
    content: bytes = Field(sa_type=LargeBinary, nullable=False)


FILE_MODELS = (StoredFile, StoredContent)
