"""migrations of requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_migration",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("names", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_migration_tenant_id_process_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_migration_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_migration")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_migration_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_migration", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_migration_tenant_id_process_id", ["tenant_id", "process_id"], unique=False)

    op.create_table(
        "approvals_migration_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("nodes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("why", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_migration_line_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "migration_id"],
            ["approvals_migration.tenant_id", "approvals_migration.id"],
            name=op.f("fk_approvals_migration_line_tenant_id_migration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_migration_line_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_migration_line")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_migration_line_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "migration_id",
            "instance_id",
            name=op.f("uq_approvals_migration_line_tenant_id_migration_id_instance_id"),
        ),
    )
    secure("approvals_migration")
    secure("approvals_migration_line")


def downgrade() -> None:
    op.drop_table("approvals_migration_line")
    with op.batch_alter_table("approvals_migration", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_migration_tenant_id_process_id")

    op.drop_table("approvals_migration")
