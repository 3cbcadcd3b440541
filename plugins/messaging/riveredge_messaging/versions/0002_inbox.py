"""states, tabs and buttons of the inbox."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import across_tenants, secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTED = sa.text("read_at IS NULL AND archived_at IS NULL AND snoozed_until IS NULL AND deleted_at IS NULL")
_SNOOZED = sa.text("snoozed_until IS NOT NULL")
_DELETED = sa.text("deleted_at IS NOT NULL")


def _json() -> Any:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "messaging_inbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("wakes_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_messaging_inbox_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_inbox")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messaging_inbox_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "user_id", name=op.f("uq_messaging_inbox_tenant_id_user_id")),
    )
    op.create_table(
        "messaging_inbox_tab",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("titles", _json(), nullable=False),
        sa.Column("categories", _json(), nullable=False),
        sa.Column("tags", _json(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_messaging_inbox_tab_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_inbox_tab")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messaging_inbox_tab_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_messaging_inbox_tab_tenant_id_key")),
    )
    secure("messaging_inbox", "messaging_inbox_tab")
    with op.batch_alter_table("messaging_inbox_item") as batch:
        batch.add_column(sa.Column("category", sa.String(length=100), nullable=False, server_default=""))
        batch.add_column(sa.Column("tags", sa.String(length=520), nullable=False, server_default=""))
        batch.add_column(sa.Column("link", sa.String(length=2000), nullable=True))
        batch.add_column(sa.Column("actions", _json(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("answer", _json(), nullable=True))
        batch.add_column(sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    with across_tenants("messaging_inbox_item"):
        op.execute("UPDATE messaging_inbox_item SET shown_at = created_at, seen_at = read_at")
    with op.batch_alter_table("messaging_inbox_item") as batch:
        batch.alter_column("shown_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        for name, kind in (("category", sa.String(100)), ("tags", sa.String(520)), ("actions", _json())):
            batch.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
        batch.drop_index("ix_messaging_inbox_item_tenant_id_recipient_id")
        batch.create_index(
            "ix_messaging_inbox_item_tenant_id_recipient_id", ["tenant_id", "recipient_id", "shown_at"], unique=False
        )
    for name, columns, where in (
        ("unread", ["tenant_id", "recipient_id"], _COUNTED),
        ("snoozed", ["tenant_id", "recipient_id", "snoozed_until"], _SNOOZED),
        ("deleted", ["tenant_id", "deleted_at"], _DELETED),
    ):
        op.create_index(
            f"ix_messaging_inbox_item_{name}",
            "messaging_inbox_item",
            columns,
            postgresql_where=where,
            sqlite_where=where,
        )


def downgrade() -> None:
    for name in ("unread", "snoozed", "deleted"):
        op.drop_index(f"ix_messaging_inbox_item_{name}", "messaging_inbox_item")
    with op.batch_alter_table("messaging_inbox_item") as batch:
        batch.drop_index("ix_messaging_inbox_item_tenant_id_recipient_id")
        batch.create_index(
            "ix_messaging_inbox_item_tenant_id_recipient_id", ["tenant_id", "recipient_id", "created_at"], unique=False
        )
        for column in (
            "category",
            "tags",
            "link",
            "actions",
            "answer",
            "shown_at",
            "seen_at",
            "archived_at",
            "snoozed_until",
            "deleted_at",
        ):
            batch.drop_column(column)
    op.drop_table("messaging_inbox_tab")
    op.drop_table("messaging_inbox")
