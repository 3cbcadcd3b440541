"""Alembic's environment: one plugin at a time, on the connection and in the transaction of the runner."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import DateTime, String

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


def render_item(kind: str, item: Any, _autogenerate: AutogenContext) -> str | Literal[False]:
    """Plain SQL types, so that a migration does not depend on code that may change after it."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, String) and type(item).__name__ == "AutoString":
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if kind == "type" and isinstance(item, DateTime):
        return f"sa.DateTime(timezone={item.timezone})"
    return False


context.configure(
    connection=attributes["connection"],
    target_metadata=METADATA,
    version_table=version_table(plugin),
    include_name=include_name,
    include_object=include_object,
    render_item=render_item,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
