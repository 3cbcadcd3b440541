"""who resumed a schedule, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("scheduling_task") as batch:
        batch.add_column(sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("resumed_by", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("resume_note", sa.String(length=500), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("scheduling_task") as batch:
        batch.drop_column("resume_note")
        batch.drop_column("resumed_by")
        batch.drop_column("resumed_at")
