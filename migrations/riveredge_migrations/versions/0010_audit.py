"""The audit log, which triggers keep append-only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import append_only, enable_rls, grant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("object_kind", sa.String(length=100), nullable=False),
        sa.Column("object_id", sa.String(length=200), nullable=False),
        sa.Column("object_title", sa.String(length=200), nullable=False),
        sa.Column("details", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_audit_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_audit")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_audit_tenant_id_id")),
    )
    op.create_index("ix_kernel_audit_tenant_id_created_at", "kernel_audit", ["tenant_id", "created_at"])
    op.create_index("ix_kernel_audit_tenant_id_object", "kernel_audit", ["tenant_id", "object_kind", "object_id"])
    op.create_index("ix_kernel_audit_tenant_id_actor_id", "kernel_audit", ["tenant_id", "actor_id"])
    op.create_table(
        "kernel_audit_maintenance",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_audit_maintenance")),
    )
    enable_rls("kernel_audit")
    grant("kernel_audit", serving="SELECT, INSERT")
    grant("kernel_audit_maintenance", serving=None)
    append_only("kernel_audit", unless="kernel_audit_maintenance")


def downgrade() -> None:
    op.drop_table("kernel_audit")
    op.drop_table("kernel_audit_maintenance")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION kernel_audit_append_only()")
