"""which push service a device is of."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import across_tenants

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("messaging_device") as batch_op:
        batch_op.add_column(
            sa.Column("provider", sa.String(length=100), nullable=False, server_default="messaging.web_push")
        )
        batch_op.add_column(sa.Column("app", sa.String(length=200), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("environment", sa.String(length=20), nullable=False, server_default="production"))
        batch_op.add_column(sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True))
    device = sa.table("messaging_device", sa.column("registered_at"), sa.column("updated_at"))
    with across_tenants("messaging_device"):
        op.execute(device.update().values(registered_at=device.c.updated_at))
    with op.batch_alter_table("messaging_device") as batch_op:
        batch_op.alter_column("provider", server_default=None)
        batch_op.alter_column("app", server_default=None)
        batch_op.alter_column("environment", server_default=None)
        batch_op.alter_column("registered_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("messaging_device") as batch_op:
        batch_op.drop_column("registered_at")
        batch_op.drop_column("environment")
        batch_op.drop_column("app")
        batch_op.drop_column("provider")
