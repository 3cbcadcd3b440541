"""Operations for migrations beyond Alembic's own: row-level security and the grants of the serving roles."""

from alembic import op

APP_ROLE = "riveredge_app"
SYSTEM_ROLE = "riveredge_system"

_CURRENT = "(SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)"


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def enable_rls(*tables: str) -> None:
    """Let each row be seen and written only while its tenant is served. Call it for every table with `tenant_id`.

    Rows without a tenant are seen by the system role alone. Does nothing on SQLite, which has no such thing.
    """
    if not _is_postgresql():
        return
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        # FORCE: the owner of the table is bound as well.
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING (tenant_id = {_CURRENT}) WITH CHECK (tenant_id = {_CURRENT})"
        )


def grant(*tables: str) -> None:
    """Let the serving roles read and write the tables, where these roles exist."""
    if not _is_postgresql():
        return
    names = ", ".join(tables)
    for role in (APP_ROLE, SYSTEM_ROLE):
        op.execute(
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {role}; END IF; END $$"
        )


def secure(*tables: str) -> None:
    """`enable_rls` and `grant`: what a tenant table needs after `create_table`."""
    enable_rls(*tables)
    grant(*tables)


__all__ = ["APP_ROLE", "SYSTEM_ROLE", "enable_rls", "grant", "secure"]
