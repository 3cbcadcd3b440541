"""processes, instances, tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import secure

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approvals_process",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("icon", sa.String(length=100), nullable=False),
        sa.Column("draft", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("draft_rev", sa.Integer(), nullable=False),
        sa.Column("form_schema", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("published", sa.Integer(), nullable=True),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_process_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_process")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_process_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_approvals_process_tenant_id_key")),
    )
    op.create_table(
        "approvals_serial",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.String(length=100), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_serial_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_serial")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_serial_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "series", name=op.f("uq_approvals_serial_tenant_id_series")),
    )
    op.create_table(
        "approvals_delegation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("substitute_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_delegation_tenant_id_process_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_delegation_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_delegation")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_delegation_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_delegation", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_delegation_tenant_id_user_id", ["tenant_id", "user_id"], unique=False)

    op.create_table(
        "approvals_process_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("diagram", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("form_schema", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("compiled", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("checksum", sa.String(length=80), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_process_version_tenant_id_process_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_process_version_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_process_version")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_process_version_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "process_id", "number", name=op.f("uq_approvals_process_version_tenant_id_process_id_number")
        ),
    )
    op.create_table(
        "approvals_instance",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("summary", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("subject_type", sa.String(length=100), nullable=True),
        sa.Column("subject_id", sa.String(length=100), nullable=True),
        sa.Column("form", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("form_rev", sa.Integer(), nullable=False),
        sa.Column("submitter_id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("choices", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("outcome_note", sa.String(length=500), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("resubmit_to", sa.String(length=64), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("parent_visit_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("urged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["approvals_process.tenant_id", "approvals_process.id"],
            name=op.f("fk_approvals_instance_tenant_id_process_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["approvals_process_version.tenant_id", "approvals_process_version.id"],
            name=op.f("fk_approvals_instance_tenant_id_version_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_instance_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_instance")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_instance_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_approvals_instance_tenant_id_number")),
    )
    with op.batch_alter_table("approvals_instance", schema=None) as batch_op:
        batch_op.create_index(
            "ix_approvals_instance_running",
            ["tenant_id"],
            unique=False,
            postgresql_where=sa.text("status IN ('running', 'suspended')"),
            sqlite_where=sa.text("status IN ('running', 'suspended')"),
        )
        batch_op.create_index("ix_approvals_instance_tenant_id_process_id", ["tenant_id", "process_id"], unique=False)
        batch_op.create_index(
            "ix_approvals_instance_tenant_id_subject", ["tenant_id", "subject_type", "subject_id"], unique=False
        )
        batch_op.create_index(
            "ix_approvals_instance_tenant_id_submitter_id", ["tenant_id", "submitter_id", "created_at"], unique=False
        )

    op.create_table(
        "approvals_cc",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=True),
        sa.Column("sent_by", sa.Uuid(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_cc_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_cc_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_cc")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_cc_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "instance_id",
            "user_id",
            "visit_id",
            name=op.f("uq_approvals_cc_tenant_id_instance_id_user_id_visit_id"),
        ),
    )
    with op.batch_alter_table("approvals_cc", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_cc_tenant_id_user_id", ["tenant_id", "user_id", "created_at"], unique=False)

    op.create_table(
        "approvals_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.String(length=4000), nullable=False),
        sa.Column("mentions", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("attachments", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_comment_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_comment_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_comment")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_comment_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_comment", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_comment_tenant_id_instance_id", ["tenant_id", "instance_id"], unique=False)

    op.create_table(
        "approvals_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=True),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_event_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_event_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_event")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_event_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "instance_id", "seq", name=op.f("uq_approvals_event_tenant_id_instance_id_seq")
        ),
    )
    op.create_table(
        "approvals_form_revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("form", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_form_revision_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_form_revision_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_form_revision")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_form_revision_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "instance_id", "number", name=op.f("uq_approvals_form_revision_tenant_id_instance_id_number")
        ),
    )
    op.create_table(
        "approvals_input",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_input_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_input_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_input")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_input_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "instance_id", "seq", name=op.f("uq_approvals_input_tenant_id_instance_id_seq")
        ),
    )
    op.create_table(
        "approvals_visit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("scope", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("entered_by", sa.String(length=64), nullable=True),
        sa.Column("edges", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_visit_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_visit_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_visit")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_visit_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "instance_id", "seq", name=op.f("uq_approvals_visit_tenant_id_instance_id_seq")
        ),
    )
    op.create_table(
        "approvals_task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("pool", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("principal_id", sa.Uuid(), nullable=True),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("trace", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_task_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "visit_id"],
            ["approvals_visit.tenant_id", "approvals_visit.id"],
            name=op.f("fk_approvals_task_tenant_id_visit_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_task_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_task")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_task_tenant_id_id")),
    )
    with op.batch_alter_table("approvals_task", schema=None) as batch_op:
        batch_op.create_index(
            "ix_approvals_task_open",
            ["tenant_id", "assignee_id"],
            unique=False,
            postgresql_where=sa.text("state IN ('pending', 'waiting', 'delegated')"),
            sqlite_where=sa.text("state IN ('pending', 'waiting', 'delegated')"),
        )
        batch_op.create_index(
            "ix_approvals_task_tenant_id_assignee_id", ["tenant_id", "assignee_id", "created_at"], unique=False
        )
        batch_op.create_index("ix_approvals_task_tenant_id_instance_id", ["tenant_id", "instance_id"], unique=False)
        batch_op.create_index("ix_approvals_task_tenant_id_visit_id", ["tenant_id", "visit_id"], unique=False)

    op.create_table(
        "approvals_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("comment", sa.String(length=4000), nullable=False),
        sa.Column("form_rev", sa.Integer(), nullable=False),
        sa.Column("via", sa.String(length=20), nullable=False),
        sa.Column("signature", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["approvals_instance.tenant_id", "approvals_instance.id"],
            name=op.f("fk_approvals_decision_tenant_id_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["approvals_task.tenant_id", "approvals_task.id"],
            name=op.f("fk_approvals_decision_tenant_id_task_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_approvals_decision_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals_decision")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_approvals_decision_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "task_id", name=op.f("uq_approvals_decision_tenant_id_task_id")),
    )
    with op.batch_alter_table("approvals_decision", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_decision_tenant_id_instance_id", ["tenant_id", "instance_id"], unique=False)

    secure("approvals_process")
    secure("approvals_serial")
    secure("approvals_delegation")
    secure("approvals_process_version")
    secure("approvals_instance")
    secure("approvals_cc")
    secure("approvals_comment")
    secure("approvals_event")
    secure("approvals_form_revision")
    secure("approvals_input")
    secure("approvals_visit")
    secure("approvals_task")
    secure("approvals_decision")


def downgrade() -> None:
    op.drop_table("approvals_decision")
    op.drop_table("approvals_task")
    op.drop_table("approvals_visit")
    op.drop_table("approvals_input")
    op.drop_table("approvals_form_revision")
    op.drop_table("approvals_event")
    op.drop_table("approvals_comment")
    op.drop_table("approvals_cc")
    op.drop_table("approvals_instance")
    op.drop_table("approvals_process_version")
    op.drop_table("approvals_delegation")
    op.drop_table("approvals_serial")
    op.drop_table("approvals_process")
