"""Alembic's environment: one plugin at a time, on the connection and in the transaction of the runner."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, MigrateOperation
from sqlalchemy import JSON, TypeDecorator
from sqlmodel.sql.sqltypes import AutoString

from riveredge_migrations.naming import owner_of, version_table
from riveredge_sdk.models import METADATA, UtcDateTime

attributes = context.config.attributes
plugin: str = attributes["plugin"]
plugins: list[str] = attributes["plugins"]


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Only the plugin's own tables are compared and written about."""
    return kind != "table" or owner_of(name or "", plugins) == plugin


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """The same, for the models' side."""
    return include_name(name, kind, None)


def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Plain SQL types, so that a migration does not depend on code that may change after it."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, AutoString):
        length = getattr(item.impl_instance, "length", None)
        return f"sa.String(length={length})" if length else "sa.String()"
    if isinstance(item, JSON):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    if isinstance(item, TypeDecorator):
        plain = item.impl_instance
        known = type(plain).__module__ == "sqlalchemy.sql.sqltypes"
        return render_item(kind, plain, autogenerate) or (f"sa.{plain!r}" if known else False)
    return False


def add_security(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """New tables get their row-level security and grants with them; nobody has to think of it."""
    for script in directives:
        for operations in script.upgrade_ops_list:
            made = [op for op in operations.ops if isinstance(op, CreateTableOp)]
            operations.ops.extend(
                SecureTableOp(op.table_name, any(getattr(c, "name", "") == "tenant_id" for c in op.columns))
                for op in made
            )


class SecureTableOp(MigrateOperation):
    """A call of `operations.secure` or `operations.grant` to be written."""

    def __init__(self, table: str, of_tenants: bool) -> None:
        self.table = table
        self.of_tenants = of_tenants


@renderers.dispatch_for(SecureTableOp)
def _render_security(autogenerate: AutogenContext, operation: SecureTableOp) -> str:
    name = "secure" if operation.of_tenants else "grant"
    autogenerate.imports.add(f"from riveredge_migrations.operations import {name}")
    return f'{name}("{operation.table}")'


context.configure(
    connection=attributes["connection"],
    target_metadata=METADATA,
    version_table=version_table(plugin),
    include_name=include_name,
    include_object=include_object,
    render_item=render_item,
    process_revision_directives=add_security,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
