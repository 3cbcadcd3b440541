"""one set of columns for migrations, rehearsals and handovers."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import across_tenants

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNTS = """
UPDATE approvals_handover SET
    total = (SELECT count(*) FROM approvals_handover_item i WHERE i.handover_id = approvals_handover.id),
    done = (SELECT count(*) FROM approvals_handover_item i
            WHERE i.handover_id = approvals_handover.id AND i.state <> 'waiting'),
    kept = (SELECT count(*) FROM approvals_handover_item i
            WHERE i.handover_id = approvals_handover.id AND i.state = 'refused')
"""


def upgrade() -> None:
    with op.batch_alter_table("approvals_migration", schema=None) as batch_op:
        batch_op.alter_column("state", new_column_name="status", existing_type=sa.String(20), existing_nullable=False)
        batch_op.alter_column("requested_by", new_column_name="started_by", existing_type=sa.Uuid())
        batch_op.add_column(sa.Column("error", sa.String(length=500), nullable=False, server_default=""))

    with op.batch_alter_table("approvals_rehearsal", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kept", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("approvals_handover", schema=None) as batch_op:
        batch_op.alter_column("created_by", new_column_name="started_by", existing_type=sa.Uuid())
        batch_op.add_column(sa.Column("status", sa.String(length=20), nullable=False, server_default="running"))
        for name in ("total", "done", "kept"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("error", sa.String(length=500), nullable=False, server_default=""))

    with across_tenants("approvals_rehearsal"):
        op.execute("UPDATE approvals_rehearsal SET status = 'completed' WHERE status = 'done'")
    with across_tenants("approvals_handover"), across_tenants("approvals_handover_item"):
        op.execute("UPDATE approvals_handover SET status = 'completed' WHERE finished_at IS NOT NULL")
        op.execute(_COUNTS)


def downgrade() -> None:
    with across_tenants("approvals_rehearsal"):
        op.execute("UPDATE approvals_rehearsal SET status = 'done' WHERE status = 'completed'")

    with op.batch_alter_table("approvals_handover", schema=None) as batch_op:
        for name in ("error", "kept", "done", "total", "status"):
            batch_op.drop_column(name)
        batch_op.alter_column("started_by", new_column_name="created_by", existing_type=sa.Uuid())

    with op.batch_alter_table("approvals_rehearsal", schema=None) as batch_op:
        batch_op.drop_column("kept")

    with op.batch_alter_table("approvals_migration", schema=None) as batch_op:
        batch_op.drop_column("error")
        batch_op.alter_column("started_by", new_column_name="requested_by", existing_type=sa.Uuid())
        batch_op.alter_column("status", new_column_name="state", existing_type=sa.String(20), existing_nullable=False)
