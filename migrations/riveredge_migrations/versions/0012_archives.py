"""Archives, and the end of organisations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("kernel_tenant", sa.Column("delete_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("kernel_tenant", sa.Column("deletion_claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("kernel_tenant", sa.Column("imported_from", sa.String(length=40), nullable=True))
    op.add_column("kernel_tenant", sa.Column("quotas", _JSON, nullable=False, server_default=sa.text("'{}'")))
    op.create_table(
        "kernel_archive",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress", _JSON, nullable=False),
        sa.Column("failures", _JSON, nullable=False),
        sa.Column("error", sa.String(length=2000), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_archive_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_archive")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_archive_tenant_id_id")),
    )
    op.create_index(op.f("ix_kernel_archive_expires_at"), "kernel_archive", ["expires_at"])
    op.create_index("ix_kernel_archive_tenant_id_user_id", "kernel_archive", ["tenant_id", "user_id"])
    op.create_table(
        "kernel_archive_part",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("archive_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "archive_id"],
            ["kernel_archive.tenant_id", "kernel_archive.id"],
            name=op.f("fk_kernel_archive_part_tenant_id_archive_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_archive_part_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_archive_part")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_archive_part_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "archive_id", "number", name=op.f("uq_kernel_archive_part_tenant_id_archive_id_number")
        ),
    )
    secure("kernel_archive")
    secure("kernel_archive_part")


def downgrade() -> None:
    op.drop_table("kernel_archive_part")
    op.drop_table("kernel_archive")
    for column in ("quotas", "imported_from", "deletion_claimed_at", "delete_at"):
        op.drop_column("kernel_tenant", column)
