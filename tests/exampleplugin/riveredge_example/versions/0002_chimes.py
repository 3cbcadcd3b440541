"""Chimes."""

import sqlalchemy as sa
from alembic import op

from riveredge_migrations.operations import secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "example_chime",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("chimed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "note_id"],
            ["example_note.tenant_id", "example_note.id"],
            name=op.f("fk_example_chime_tenant_id_note_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_example_chime_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_example_chime")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_example_chime_tenant_id_id")),
    )
    with op.batch_alter_table("example_chime", schema=None) as batch_op:
        batch_op.create_index(
            "ix_example_chime_due",
            ["next_at"],
            unique=False,
            postgresql_where=sa.text("planned_for IS NULL"),
            sqlite_where=sa.text("planned_for IS NULL"),
        )

    secure("example_chime")


def downgrade() -> None:
    with op.batch_alter_table("example_chime", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_example_chime_due",
            postgresql_where=sa.text("planned_for IS NULL"),
            sqlite_where=sa.text("planned_for IS NULL"),
        )

    op.drop_table("example_chime")
