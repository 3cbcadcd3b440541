"""Tenants, users, roles, outbox, runs and stored answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import grant, secure

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("locale", sa.String(length=35), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_tenant")),
        sa.UniqueConstraint("slug", name=op.f("uq_kernel_tenant_slug")),
    )
    op.create_table(
        "kernel_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.String(length=35), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_user")),
        sa.UniqueConstraint("email", name=op.f("uq_kernel_user_email")),
    )
    op.create_table(
        "kernel_idempotency",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_idempotency_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_idempotency")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_idempotency_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "principal_id", "key", name=op.f("uq_kernel_idempotency_tenant_id_principal_id_key")
        ),
    )
    with op.batch_alter_table("kernel_idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_idempotency_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "kernel_membership",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_membership_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_membership_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_membership")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_membership_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "user_id", name=op.f("uq_kernel_membership_tenant_id_user_id")),
    )
    with op.batch_alter_table("kernel_membership", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_membership_user_id"), ["user_id"], unique=False)

    op.create_table(
        "kernel_outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("consumed", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=2000), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_outbox_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_outbox")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_outbox_tenant_id_id")),
    )
    with op.batch_alter_table("kernel_outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_kernel_outbox_open",
            ["next_attempt_at"],
            unique=False,
            postgresql_where=sa.text("state <> 'confirmed'"),
            sqlite_where=sa.text("state <> 'confirmed'"),
        )

    op.create_table(
        "kernel_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("permissions", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_role_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_role")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_role_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_kernel_role_tenant_id_key")),
    )
    op.create_table(
        "kernel_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("function", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("event_name", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=500), nullable=True),
        sa.Column("error", sa.String(length=4000), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_run_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_kernel_run_run_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_run_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "run_id", name=op.f("uq_kernel_run_tenant_id_run_id")),
    )
    with op.batch_alter_table("kernel_run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_run_event_id"), ["event_id"], unique=False)
        batch_op.create_index("ix_kernel_run_tenant_id_started_at", ["tenant_id", "started_at"], unique=False)

    op.create_table(
        "kernel_tenant_plugin",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(length=63), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_tenant_plugin_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_tenant_plugin")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_tenant_plugin_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "plugin", name=op.f("uq_kernel_tenant_plugin_tenant_id_plugin")),
    )
    op.create_table(
        "kernel_tenant_settings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(length=63), nullable=False),
        sa.Column("values", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("secrets", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_tenant_settings_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_tenant_settings")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_tenant_settings_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "plugin", name=op.f("uq_kernel_tenant_settings_tenant_id_plugin")),
    )
    op.create_table(
        "kernel_membership_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "membership_id"],
            ["kernel_membership.tenant_id", "kernel_membership.id"],
            name=op.f("fk_kernel_membership_role_tenant_id_membership_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"],
            ["kernel_role.tenant_id", "kernel_role.id"],
            name=op.f("fk_kernel_membership_role_tenant_id_role_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_membership_role_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_membership_role")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_membership_role_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "membership_id",
            "role_id",
            name=op.f("uq_kernel_membership_role_tenant_id_membership_id_role_id"),
        ),
    )
    op.create_table(
        "kernel_run_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=500), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=4000), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["kernel_run.tenant_id", "kernel_run.run_id"],
            name=op.f("fk_kernel_run_step_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_run_step_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_run_step")),
        sa.UniqueConstraint("run_id", "step", name=op.f("uq_kernel_run_step_run_id_step")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_run_step_tenant_id_id")),
    )
    grant("kernel_tenant")
    grant("kernel_user")
    secure("kernel_idempotency")
    secure("kernel_membership")
    secure("kernel_outbox")
    secure("kernel_role")
    secure("kernel_run")
    secure("kernel_tenant_plugin")
    secure("kernel_tenant_settings")
    secure("kernel_membership_role")
    secure("kernel_run_step")


def downgrade() -> None:
    op.drop_table("kernel_run_step")
    op.drop_table("kernel_membership_role")
    op.drop_table("kernel_tenant_settings")
    op.drop_table("kernel_tenant_plugin")
    with op.batch_alter_table("kernel_run", schema=None) as batch_op:
        batch_op.drop_index("ix_kernel_run_tenant_id_started_at")
        batch_op.drop_index(batch_op.f("ix_kernel_run_event_id"))

    op.drop_table("kernel_run")
    op.drop_table("kernel_role")
    with op.batch_alter_table("kernel_outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_kernel_outbox_open",
            postgresql_where=sa.text("state <> 'confirmed'"),
            sqlite_where=sa.text("state <> 'confirmed'"),
        )

    op.drop_table("kernel_outbox")
    with op.batch_alter_table("kernel_membership", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_membership_user_id"))

    op.drop_table("kernel_membership")
    with op.batch_alter_table("kernel_idempotency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_idempotency_expires_at"))

    op.drop_table("kernel_idempotency")
    op.drop_table("kernel_user")
    op.drop_table("kernel_tenant")
