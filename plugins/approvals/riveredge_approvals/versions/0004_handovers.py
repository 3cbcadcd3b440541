"""Handovers of somebody's tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_handover",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_handover_tenant_id_process_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_handover_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_handover")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_handover_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_handover", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_handover_tenant_id_user_id", ["tenant_id", "user_id"], unique=False)

    op.create_table(
        "approvals_handover_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("handover_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("to_ids", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "handover_id"],
            ["approvals_handover.tenant_id", "approvals_handover.id"],
            name=op.f("fk_approvals_handover_item_tenant_id_handover_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["approvals_task.tenant_id", "approvals_task.id"],
            name=op.f("fk_approvals_handover_item_tenant_id_task_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_handover_item_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_handover_item")),
        sa.UniqueConstraint(
            "tenant_id", "handover_id", "task_id", name=op.f("uq_approvals_handover_item_tenant_id_handover_id_task_id")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_handover_item_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_handover_item", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_handover_item_tenant_id_task_id", ["tenant_id", "task_id"], unique=False)

    secure("approvals_handover")
    secure("approvals_handover_item")


def downgrade() -> None:
    with op.batch_alter_table("approvals_handover_item", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_handover_item_tenant_id_task_id")

    op.drop_table("approvals_handover_item")
    with op.batch_alter_table("approvals_handover", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_handover_tenant_id_user_id")

    op.drop_table("approvals_handover")
