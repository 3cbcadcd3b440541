"""template versions, layouts and partials."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from riveredge_migrations.operations import across_tenants, secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "messaging_block",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("html", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_messaging_block_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_block")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messaging_block_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "kind", "key", name=op.f("uq_messaging_block_tenant_id_kind_key")),
    )
    op.create_table(
        "messaging_template_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("texts", _JSON, nullable=False),
        sa.Column("variants", _JSON, nullable=False),
        sa.Column("variables", _JSON, nullable=False),
        sa.Column("sample", _JSON, nullable=False),
        sa.Column("layout", sa.String(length=100), nullable=True),
        sa.Column("partials", _JSON, nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_id"],
            ["messaging_template.tenant_id", "messaging_template.id"],
            name=op.f("fk_messaging_template_version_tenant_id_template_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["kernel_tenant.id"], name=op.f("fk_messaging_template_version_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messaging_template_version")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messaging_template_version_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "template_id",
            "number",
            name=op.f("uq_messaging_template_version_tenant_id_template_id_number"),
        ),
    )
    op.add_column("messaging_template", sa.Column("category", sa.String(length=100), nullable=True))
    op.add_column("messaging_template", sa.Column("published", sa.Integer(), nullable=True))
    op.add_column("messaging_template", sa.Column("draft", sa.Integer(), nullable=True))
    op.add_column("messaging_template", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messaging_message", sa.Column("template_version_id", sa.Uuid(), nullable=True))
    empty = "CAST('{}' AS JSONB)" if _is_postgresql() else "'{}'"
    # A template's id serves as the id of its first version.
    first = (
        "INSERT INTO messaging_template_version (id, created_at, updated_at, version, tenant_id, template_id, number, "
        "status, texts, variants, variables, sample, partials, note, published_at) "
        "SELECT id, created_at, updated_at, 1, tenant_id, id, 1, 'published', texts, {}, variables, {}, {}, '', "
        "updated_at FROM messaging_template"
    )
    _of_all_tenants(first.format(empty, empty, empty), "UPDATE messaging_template SET published = 1")
    op.drop_column("messaging_template", "texts")
    op.drop_column("messaging_template", "variables")
    secure("messaging_block", "messaging_template_version")


def downgrade() -> None:
    op.add_column("messaging_template", sa.Column("texts", _JSON, nullable=True))
    op.add_column("messaging_template", sa.Column("variables", _JSON, nullable=True))
    newest = (
        "FROM messaging_template_version v WHERE v.template_id = messaging_template.id "
        "AND v.number = coalesce(messaging_template.published, messaging_template.draft)"
    )
    _of_all_tenants(
        f"UPDATE messaging_template SET texts = (SELECT v.texts {newest}), "  # noqa: S608  (constants)
        f"variables = (SELECT v.variables {newest})",
    )
    op.drop_table("messaging_template_version")
    op.drop_table("messaging_block")
    op.drop_column("messaging_message", "template_version_id")
    with op.batch_alter_table("messaging_template", schema=None) as batch_op:
        batch_op.alter_column("texts", existing_type=_JSON, nullable=False)
        batch_op.alter_column("variables", existing_type=_JSON, nullable=False)
        batch_op.drop_column("archived_at")
        batch_op.drop_column("draft")
        batch_op.drop_column("published")
        batch_op.drop_column("category")


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _of_all_tenants(*statements: str) -> None:
    with across_tenants("messaging_template"), across_tenants("messaging_template_version"):
        for statement in statements:
            op.execute(statement)
