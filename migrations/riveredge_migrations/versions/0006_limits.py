"""Rate limits for all processes; locks are such limits now. Verified addresses."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import grant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_limit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_limit")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_kernel_limit_key_hash")),
    )
    op.create_index(op.f("ix_kernel_limit_ends_at"), "kernel_limit", ["ends_at"])
    grant("kernel_limit")
    op.add_column("kernel_user", sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True))
    # Accounts were made by operators and administrators until now.
    op.execute("UPDATE kernel_user SET email_verified_at = created_at")
    op.drop_column("kernel_user", "failed_logins")
    op.drop_column("kernel_user", "locked_until")


def downgrade() -> None:
    op.add_column("kernel_user", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("kernel_user", sa.Column("failed_logins", sa.Integer(), nullable=False, server_default="0"))
    op.drop_column("kernel_user", "email_verified_at")
    op.drop_table("kernel_limit")
