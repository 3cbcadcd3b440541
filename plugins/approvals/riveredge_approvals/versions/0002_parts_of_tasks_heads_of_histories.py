"""parts of tasks, heads of histories; whom a pool offers a task has one of her own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("approvals_instance", schema=None) as batch_op:
        batch_op.add_column(sa.Column("head", sa.String(length=64), nullable=False, server_default=""))

    with op.batch_alter_table("approvals_task", schema=None) as batch_op:
        batch_op.add_column(sa.Column("part", sa.String(length=20), nullable=False, server_default="seat"))
        batch_op.alter_column("assignee_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("pool")


def downgrade() -> None:
    with op.batch_alter_table("approvals_task", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pool", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))
        batch_op.alter_column("assignee_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.drop_column("part")

    with op.batch_alter_table("approvals_instance", schema=None) as batch_op:
        batch_op.drop_column("head")
