"""Which functions took an event in a batch."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    seen = sa.Column("seen_by", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True)
    op.add_column("kernel_outbox", seen)


def downgrade() -> None:
    with op.batch_alter_table("kernel_outbox") as batch_op:
        batch_op.drop_column("seen_by")
