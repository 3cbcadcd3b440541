"""rules by which messages are sent by themselves."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


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
        "messaging_notification_rule",
        *_tenant_row("messaging_notification_rule"),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("condition", _JSON, nullable=True),
        sa.Column("recipients", _JSON, nullable=False),
        sa.Column("template", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("channels", _JSON, nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.Column("timing", _JSON, nullable=True),
        sa.UniqueConstraint("tenant_id", "title", name=op.f("uq_messaging_notification_rule_tenant_id_title")),
    )
    op.create_index(
        "ix_messaging_notification_rule_tenant_id_event", "messaging_notification_rule", ["tenant_id", "event"]
    )
    op.create_table(
        "messaging_rule_firing",
        *_tenant_row("messaging_rule_firing"),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("detail", sa.String(length=2000), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "rule_id"],
            ["messaging_notification_rule.tenant_id", "messaging_notification_rule.id"],
            name=op.f("fk_messaging_rule_firing_tenant_id_rule_id"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "tenant_id", "rule_id", "event_id", name=op.f("uq_messaging_rule_firing_tenant_id_rule_id_event_id")
        ),
    )
    op.create_index(
        "ix_messaging_rule_firing_tenant_id_subject",
        "messaging_rule_firing",
        ["tenant_id", "rule_id", "subject", "state"],
    )
    op.create_index(
        "ix_messaging_rule_firing_tenant_id_created_at", "messaging_rule_firing", ["tenant_id", "created_at"]
    )
    secure("messaging_notification_rule", "messaging_rule_firing")


def downgrade() -> None:
    op.drop_table("messaging_rule_firing")
    op.drop_table("messaging_notification_rule")
