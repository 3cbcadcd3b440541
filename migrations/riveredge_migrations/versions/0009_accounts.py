"""One-time tokens, second factors and invitations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import grant, secure

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_one_time_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_one_time_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_one_time_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_kernel_one_time_token_token_hash")),
    )
    op.create_index(op.f("ix_kernel_one_time_token_user_id"), "kernel_one_time_token", ["user_id"])
    op.create_index(op.f("ix_kernel_one_time_token_expires_at"), "kernel_one_time_token", ["expires_at"])
    op.create_table(
        "kernel_totp",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.String(length=500), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_totp_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_totp")),
        sa.UniqueConstraint("user_id", name=op.f("uq_kernel_totp_user_id")),
    )
    op.create_table(
        "kernel_recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_recovery_code_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_recovery_code")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_kernel_recovery_code_user_id_code_hash")),
    )
    op.create_table(
        "kernel_invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("roles", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("inviter", sa.String(length=200), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_invitation_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_invitation")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_invitation_tenant_id_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_kernel_invitation_token_hash")),
    )
    op.create_index("ix_kernel_invitation_tenant_id_email", "kernel_invitation", ["tenant_id", "email"])
    grant("kernel_one_time_token", "kernel_totp", "kernel_recovery_code")
    secure("kernel_invitation")


def downgrade() -> None:
    for table in ("kernel_invitation", "kernel_recovery_code", "kernel_totp", "kernel_one_time_token"):
        op.drop_table(table)
