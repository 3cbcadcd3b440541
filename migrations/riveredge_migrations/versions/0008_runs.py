"""What runs serve, what repeats them, and when they are compared with the engine."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import secure

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kernel_rerun",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("filter", sa.String(length=10000), nullable=True),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_kernel_rerun_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_rerun")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_kernel_rerun_tenant_id_id")),
    )
    with op.batch_alter_table("kernel_run", schema=None) as batch_op:
        batch_op.add_column(sa.Column("subject_type", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("subject_id", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("rerun_of", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("rerun_at", sa.DateTime(timezone=True), nullable=True))
        # Runs that are there already are looked at first.
        long_ago = sa.text("'1970-01-01 00:00:00.000000'")
        batch_op.add_column(
            sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False, server_default=long_ago)
        )
        batch_op.add_column(sa.Column("misses", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(
            "ix_kernel_run_open",
            ["next_check_at"],
            unique=False,
            postgresql_where=sa.text("status = 'running'"),
            sqlite_where=sa.text("status = 'running'"),
        )
        batch_op.create_index("ix_kernel_run_subject", ["tenant_id", "subject_type", "subject_id"], unique=False)

    secure("kernel_rerun")


def downgrade() -> None:
    with op.batch_alter_table("kernel_run", schema=None) as batch_op:
        batch_op.drop_index("ix_kernel_run_subject")
        batch_op.drop_index(
            "ix_kernel_run_open",
            postgresql_where=sa.text("status = 'running'"),
            sqlite_where=sa.text("status = 'running'"),
        )
        batch_op.drop_column("misses")
        batch_op.drop_column("next_check_at")
        batch_op.drop_column("rerun_at")
        batch_op.drop_column("rerun_of")
        batch_op.drop_column("subject_id")
        batch_op.drop_column("subject_type")

    op.drop_table("kernel_rerun")
