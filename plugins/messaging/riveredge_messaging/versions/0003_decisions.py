"""decisions."""

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
        "messaging_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("detail", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["messaging_message.tenant_id", "messaging_message.id"],
            name=op.f("fk_messaging_decision_tenant_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_messaging_decision_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_decision")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messaging_decision_tenant_id_id")),
    )
    with op.batch_alter_table("messaging_decision", schema=None) as batch_op:
        batch_op.create_index(
            "ix_messaging_decision_tenant_id_message_id", ["tenant_id", "message_id", "at"], unique=False
        )
        batch_op.create_index(
            "ix_messaging_decision_tenant_id_recipient_id", ["tenant_id", "recipient_id", "at"], unique=False
        )
    secure("messaging_decision")


def downgrade() -> None:
    op.drop_table("messaging_decision")
