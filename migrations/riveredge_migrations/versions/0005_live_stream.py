"""Pushes of the live stream, and tickets for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_stream_channel",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_stream_channel_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_stream_channel")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_stream_channel_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "topic", "key", name=op.f("uq_kernel_stream_channel_tenant_id_topic_key")),
    )
    op.create_table(
        "kernel_stream_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_stream_message_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_stream_message")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_stream_message_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "topic", "key", "seq", name=op.f("uq_kernel_stream_message_tenant_id_topic_key_seq")
        ),
    )
    with op.batch_alter_table("kernel_stream_message", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_stream_message_created_at"), ["created_at"], unique=False)

    op.create_table(
        "kernel_stream_ticket",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_stream_ticket_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_stream_ticket")),
        sa.UniqueConstraint("digest", name=op.f("uq_kernel_stream_ticket_digest")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_stream_ticket_tenant_id_id")),
    )
    with op.batch_alter_table("kernel_stream_ticket", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_stream_ticket_expires_at"), ["expires_at"], unique=False)

    secure("kernel_stream_channel")
    secure("kernel_stream_message")
    secure("kernel_stream_ticket")


def downgrade() -> None:
    with op.batch_alter_table("kernel_stream_ticket", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_stream_ticket_expires_at"))

    op.drop_table("kernel_stream_ticket")
    with op.batch_alter_table("kernel_stream_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_stream_message_created_at"))

    op.drop_table("kernel_stream_message")
    op.drop_table("kernel_stream_channel")
