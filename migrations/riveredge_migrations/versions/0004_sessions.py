"""Sessions and their refresh tokens."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("acting_tenant_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("second_factor", sa.Boolean(), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_because", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_session_user_id")),
        sa.ForeignKeyConstraint(
            ["acting_tenant_id"],
            ["kernel_tenant.id"],
            name=op.f("fk_kernel_session_acting_tenant_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_session")),
    )
    op.create_index(op.f("ix_kernel_session_user_id"), "kernel_session", ["user_id"])
    op.create_index(op.f("ix_kernel_session_expires_at"), "kernel_session", ["expires_at"])
    op.create_table(
        "kernel_refresh_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("salt", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["kernel_session.id"], name=op.f("fk_kernel_refresh_token_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_refresh_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_kernel_refresh_token_token_hash")),
    )
    op.create_index(op.f("ix_kernel_refresh_token_session_id"), "kernel_refresh_token", ["session_id"])
    grant("kernel_session", "kernel_refresh_token")


def downgrade() -> None:
    op.drop_table("kernel_refresh_token")
    op.drop_table("kernel_session")
