"""Tables of archives: rows rather than files, so that whichever process makes a part, any can hand it out."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime, tenant_fk


class ArchiveKind(StrEnum):
    """What was asked for. An erasure leaves a report only."""

    TENANT_EXPORT = "tenant_export"
    PERSONAL_EXPORT = "personal_export"
    PERSONAL_ERASURE = "personal_erasure"


class ArchiveState(StrEnum):
    """`expired`: it was made, and its content has been deleted since."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


class Archive(KernelTenantModel, table=True):
    """A request for an archive, and how far it has come. `user_id` is the person's whose data it is about."""

    __tablename__ = "kernel_archive"
    portable = False
    __table_args__ = (Index("ix_kernel_archive_tenant_id_user_id", "tenant_id", "user_id"),)

    kind: str = Field(max_length=40)
    user_id: UUID | None = None
    requested_by_id: UUID | None = None
    state: str = Field(default=ArchiveState.RUNNING, max_length=20)
    attempt: int = Field(default=0, description="Counts beginnings; who works on an earlier one stops.")
    progress: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    failures: dict[str, Any] = Field(
        default_factory=dict, sa_type=JsonType, nullable=False, description="By plugin, why its part is missing."
    )
    error: str | None = Field(default=None, max_length=2000)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)


class ArchivePart(KernelTenantModel, table=True):
    """A piece of an archive, compressed (zlib). Pieces of one name follow each other and make one file."""

    __tablename__ = "kernel_archive_part"
    portable = False
    __table_args__ = (
        UniqueConstraint("tenant_id", "archive_id", "number"),
        tenant_fk("archive_id", "kernel_archive", ondelete="CASCADE"),
    )

    archive_id: UUID
    number: int
    name: str = Field(max_length=500)
    content: bytes = Field(sa_type=LargeBinary, nullable=False)
