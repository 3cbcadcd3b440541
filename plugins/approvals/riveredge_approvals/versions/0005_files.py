"""files."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("instance_id", sa.Uuid(), nullable=True),
        sa.Column("field", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=101), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_file_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_file_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_file")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_file_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_file", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_file_tenant_id_instance_id", ["tenant_id", "instance_id"], unique=False)
        batch_op.create_index("ix_approvals_file_tenant_id_uploaded_by", ["tenant_id", "uploaded_by"], unique=False)

    op.create_table(
        "approvals_file_content",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "file_id"],
            ["approvals_file.tenant_id", "approvals_file.id"],
            name=op.f("fk_approvals_file_content_tenant_id_file_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_file_content_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_file_content")),
        sa.UniqueConstraint("tenant_id", "file_id", name=op.f("uq_approvals_file_content_tenant_id_file_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_file_content_tenant_id_id")),
    )
    secure("approvals_file")
    secure("approvals_file_content")


def downgrade() -> None:
    op.drop_table("approvals_file_content")
    with op.batch_alter_table("approvals_file", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_file_tenant_id_uploaded_by")
        batch_op.drop_index("ix_approvals_file_tenant_id_instance_id")

    op.drop_table("approvals_file")
