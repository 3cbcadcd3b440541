"""Identity providers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_identity_provider",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.String(length=500), nullable=False),
        sa.Column("client_secret", sa.String(), nullable=True),
        sa.Column("scopes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("link_by_email", sa.Boolean(), nullable=False),
        sa.Column("trusts_email", sa.Boolean(), nullable=False),
        sa.Column("provisions", sa.Boolean(), nullable=False),
        sa.Column("email_domains", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("groups_claim", sa.String(length=200), nullable=False),
        sa.Column("group_roles", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("default_roles", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_identity_provider_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_identity_provider")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_identity_provider_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_kernel_identity_provider_tenant_id_key")),
    )
    op.create_table(
        "kernel_identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["kernel_identity_provider.tenant_id", "kernel_identity_provider.id"],
            name=op.f("fk_kernel_identity_tenant_id_provider_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_identity_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_identity_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_identity")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_identity_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "provider_id", "subject", name=op.f("uq_kernel_identity_tenant_id_provider_id_subject")
        ),
        sa.UniqueConstraint(
            "tenant_id", "provider_id", "user_id", name=op.f("uq_kernel_identity_tenant_id_provider_id_user_id")
        ),
    )
    with op.batch_alter_table("kernel_identity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_identity_user_id"), ["user_id"], unique=False)

    op.create_table(
        "kernel_oidc_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("state_digest", sa.String(length=64), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("code_verifier", sa.String(length=500), nullable=False),
        sa.Column("redirect_to", sa.String(length=2000), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ticket_digest", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["kernel_identity_provider.tenant_id", "kernel_identity_provider.id"],
            name=op.f("fk_kernel_oidc_attempt_tenant_id_provider_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_oidc_attempt_tenant_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_oidc_attempt_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_oidc_attempt")),
        sa.UniqueConstraint("state_digest", name=op.f("uq_kernel_oidc_attempt_state_digest")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_oidc_attempt_tenant_id_id")),
        sa.UniqueConstraint("ticket_digest", name=op.f("uq_kernel_oidc_attempt_ticket_digest")),
    )
    with op.batch_alter_table("kernel_oidc_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kernel_oidc_attempt_expires_at"), ["expires_at"], unique=False)

    # Not as a batch: that would copy the table on SQLite, and dropping the old one would take the refresh tokens along.
    op.add_column("kernel_session", sa.Column("bound", sa.Boolean(), nullable=False, server_default=sa.false()))
    secure("kernel_identity_provider")
    secure("kernel_identity")
    secure("kernel_oidc_attempt")


def downgrade() -> None:
    op.drop_column("kernel_session", "bound")
    with op.batch_alter_table("kernel_oidc_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_oidc_attempt_expires_at"))

    op.drop_table("kernel_oidc_attempt")
    with op.batch_alter_table("kernel_identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kernel_identity_user_id"))

    op.drop_table("kernel_identity")
    op.drop_table("kernel_identity_provider")
