"""people's devices, and the key for push services."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import grant, secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _tenant_row(table: str) -> list[Any]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f(f"fk_{table}_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f(f"uq_{table}_tenant_id_id")),
    ]


def upgrade() -> None:
    op.create_table(
        "messaging_device",
        *_tenant_row("messaging_device"),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("tenant_id", "digest", name=op.f("uq_messaging_device_tenant_id_digest")),
    )
    op.create_index("ix_messaging_device_tenant_id_user_id", "messaging_device", ["tenant_id", "user_id"])
    op.create_table(
        "messaging_push_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_push_key")),
        sa.UniqueConstraint("name", name=op.f("uq_messaging_push_key_name")),
    )
    secure("messaging_device")
    grant("messaging_push_key")


def downgrade() -> None:
    op.drop_table("messaging_push_key")
    op.drop_table("messaging_device")
