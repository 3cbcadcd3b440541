"""The traces of events and runs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TRACED = "trace_id IS NOT NULL"


def upgrade() -> None:
    op.add_column("kernel_outbox", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.add_column("kernel_run", sa.Column("trace_id", sa.String(length=32), nullable=True))
    op.add_column("kernel_run", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.create_index(
        "ix_kernel_run_trace",
        "kernel_run",
        ["tenant_id", "trace_id"],
        postgresql_where=sa.text(_TRACED),
        sqlite_where=sa.text(_TRACED),
    )


def downgrade() -> None:
    op.drop_index("ix_kernel_run_trace", "kernel_run")
    with op.batch_alter_table("kernel_run") as batch_op:
        batch_op.drop_column("traceparent")
        batch_op.drop_column("trace_id")
    with op.batch_alter_table("kernel_outbox") as batch_op:
        batch_op.drop_column("traceparent")
