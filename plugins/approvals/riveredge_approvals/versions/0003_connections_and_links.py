"""connections and links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_connection",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("base_url", sa.String(length=2000), nullable=False),
        sa.Column("headers", sa.Text(), nullable=True),
        sa.Column("header_names", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("signing_secret", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_connection_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_connection")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_connection_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_approvals_connection_tenant_id_key")),
    )
    op.create_table(
        "approvals_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_link_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["approvals_task.tenant_id", "approvals_task.id"],
            name=op.f("fk_approvals_link_tenant_id_task_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "visit_id"],
            ["approvals_visit.tenant_id", "approvals_visit.id"],
            name=op.f("fk_approvals_link_tenant_id_visit_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_link_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_link")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_link_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_link", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_link_tenant_id_visit_id", ["tenant_id", "visit_id"], unique=False)

    secure("approvals_connection")
    secure("approvals_link")


def downgrade() -> None:
    with op.batch_alter_table("approvals_link", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_link_tenant_id_visit_id")

    op.drop_table("approvals_link")
    op.drop_table("approvals_connection")
