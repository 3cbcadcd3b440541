"""rehearsals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_rehearsal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("draft_rev", sa.Integer(), nullable=False),
        sa.Column("compiled", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("form_schema", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("begin_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("summary", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_rehearsal_tenant_id_process_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_rehearsal_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_rehearsal")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_rehearsal_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_rehearsal", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_rehearsal_tenant_id_process_id", ["tenant_id", "process_id"], unique=False)

    op.create_table(
        "approvals_rehearsal_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rehearsal_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("differs", sa.Boolean(), nullable=True),
        sa.Column("outcome", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "rehearsal_id"],
            ["approvals_rehearsal.tenant_id", "approvals_rehearsal.id"],
            name=op.f("fk_approvals_rehearsal_line_tenant_id_rehearsal_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_rehearsal_line_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_rehearsal_line")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_rehearsal_line_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "rehearsal_id", "seq", name=op.f("uq_approvals_rehearsal_line_tenant_id_rehearsal_id_seq")
        ),
    )
    secure("approvals_rehearsal")
    secure("approvals_rehearsal_line")


def downgrade() -> None:
    op.drop_table("approvals_rehearsal_line")
    with op.batch_alter_table("approvals_rehearsal", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_rehearsal_tenant_id_process_id")

    op.drop_table("approvals_rehearsal")
