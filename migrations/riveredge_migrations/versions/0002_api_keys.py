"""Service accounts and API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_service_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_service_account_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_service_account")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_service_account_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_kernel_service_account_tenant_id_name")),
    )
    op.create_table(
        "kernel_api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("permissions", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("rotated_from_id", sa.Uuid(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_from", sa.String(length=45), nullable=True),
        sa.CheckConstraint("(user_id IS NULL) <> (account_id IS NULL)", name=op.f("ck_kernel_api_key_one_owner")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["kernel_service_account.tenant_id", "kernel_service_account.id"],
            name=op.f("fk_kernel_api_key_tenant_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_api_key_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_api_key_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_kernel_api_key_prefix")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_api_key_tenant_id_id")),
    )
    with op.batch_alter_table("kernel_api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_api_key_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_kernel_api_key_user_id"), ["user_id"], unique=False)

    op.create_table(
        "kernel_service_account_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["kernel_service_account.tenant_id", "kernel_service_account.id"],
            name=op.f("fk_kernel_service_account_role_tenant_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"],
            ["kernel_role.tenant_id", "kernel_role.id"],
            name=op.f("fk_kernel_service_account_role_tenant_id_role_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_service_account_role_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_service_account_role")),
        sa.UniqueConstraint(
            "tenant_id",
            "account_id",
            "role_id",
            name=op.f("uq_kernel_service_account_role_tenant_id_account_id_role_id"),
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_service_account_role_tenant_id_id")),
    )
    secure("kernel_service_account")
    secure("kernel_api_key")
    secure("kernel_service_account_role")


def downgrade() -> None:
    op.drop_table("kernel_service_account_role")
    with op.batch_alter_table("kernel_api_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_api_key_user_id"))
        batch_op.drop_index(batch_op.f("ix_kernel_api_key_account_id"))

    op.drop_table("kernel_api_key")
    op.drop_table("kernel_service_account")
