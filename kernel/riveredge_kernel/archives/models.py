"""Tables of archives: rows rather than files, so that whichever process makes a part, any can hand it out."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, Uuid
from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel, KernelTenantModel
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
    erased: dict[str, Any] = Field(
        default_factory=dict,
        sa_type=JsonType,
        nullable=False,
        description="Of an erasure: by plugin, how many rows are gone, counted where they go.",
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


class ImportState(StrEnum):
    """How far an import has come. `receiving`: its file is being sent, or the sender has given up."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    CHECKING = "checking"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"


class Import(KernelPlatformModel, table=True):
    """An archive that operators have sent, to become an organisation; no tenant's before that.

    `rows` and `people` are what has come in, `rows_total` what the archive says there is.
    """

    __tablename__ = "kernel_import"

    state: str = Field(default=ImportState.RECEIVING, max_length=20)
    slug: str | None = Field(default=None, max_length=63)
    name: str | None = Field(default=None, max_length=200)
    size: int = Field(default=0, sa_type=BigInteger, description="Bytes of the file.")
    sha256: str | None = Field(default=None, max_length=64)
    attempt: int = Field(default=0, description="Counts beginnings; who works on an earlier one stops.")
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="Its worker's last sign of life.")
    rows: int = 0
    rows_total: int | None = None
    people: int = 0
    again: bool = False
    organisation_id: UUID | None = None
    error: str | None = Field(default=None, max_length=2000)
    address: str | None = Field(default=None, max_length=64, description="From where it was sent.")
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)


class ImportPart(KernelPlatformModel, table=True):
    """A piece of the file. Closed to the serving role: it may be any organisation's data."""

    __tablename__ = "kernel_import_part"
    __table_args__ = (UniqueConstraint("import_id", "number"),)

    import_id: UUID = Field(foreign_key="kernel_import.id", ondelete="CASCADE", sa_type=Uuid)
    number: int
    content: bytes = Field(sa_type=LargeBinary, nullable=False)
