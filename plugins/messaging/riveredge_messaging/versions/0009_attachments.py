"""how many files go with a message."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("messaging_message") as batch_op:
        batch_op.add_column(sa.Column("files", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("messaging_message") as batch_op:
        batch_op.drop_column("files")
