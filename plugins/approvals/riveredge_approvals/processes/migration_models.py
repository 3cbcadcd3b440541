"""Tables of migrations: what was asked, and what became of each request."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_approvals.jobs.models import JobRow
from riveredge_approvals.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType


class Migration(JobRow, table=True):
    """Instances of one version are moved to another, or looked at whether they can be (`dry_run`)."""

    __tablename__ = "approvals_migration"
    __table_args__ = (
        tenant_fk("process_id", "approvals_process", ondelete="CASCADE"),
        Index("ix_approvals_migration_tenant_id_process_id", "tenant_id", "process_id"),
    )

    process_id: UUID
    source: int
    target: int
    names: dict[str, str] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    dry_run: bool = True


class MigrationLine(Model, table=True):
    """What became of one instance: `moves` (it would), `moved`, `kept`, or `gone` (it had ended by then)."""

    __tablename__ = "approvals_migration_line"
    __table_args__ = (
        UniqueConstraint("tenant_id", "migration_id", "instance_id"),
        tenant_fk("migration_id", "approvals_migration", ondelete="CASCADE"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
    )

    migration_id: UUID
    instance_id: UUID
    number: str = Field(max_length=100)
    state: str = Field(max_length=20)
    nodes: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    why: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)


MIGRATION_MODELS = (Migration, MigrationLine)
