"""Operations for migrations beyond Alembic's own: row-level security and the grants of the serving roles."""

from collections.abc import Iterator
from contextlib import contextmanager

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


_EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"


def grant(*tables: str, serving: str | None = _EVERYTHING) -> None:
    """Let the serving roles read and write the tables, where these roles exist.

    Args:
        serving: what the role that serves tenants may do; None for nothing.
    """
    if not _is_postgresql():
        return
    names = ", ".join(tables)
    for role, rights in ((APP_ROLE, serving), (SYSTEM_ROLE, _EVERYTHING)):
        if rights is None:
            continue
        op.execute(
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
            f"GRANT {rights} ON {names} TO {role}; END IF; END $$"
        )


def append_only(table: str, *, unless: str) -> None:
    """Let triggers refuse to change or delete rows of `table`, except while there is a row in the table `unless`.

    Who may write there opens the table within one transaction: nobody else sees a row that is gone before the commit.
    """
    message = f"{table} is append-only"
    if not _is_postgresql():
        refuse = f"WHEN NOT EXISTS (SELECT 1 FROM {unless}) BEGIN SELECT RAISE(ABORT, '{message}'); END"  # noqa: S608
        for action in ("update", "delete"):
            op.execute(f"CREATE TRIGGER {table}_no_{action} BEFORE {action} ON {table} {refuse}")
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT EXISTS (SELECT FROM {unless}) THEN RAISE EXCEPTION '{message}'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def secure(*tables: str) -> None:
    """`enable_rls` and `grant`: what a tenant table needs after `create_table`."""
    enable_rls(*tables)
    grant(*tables)


@contextmanager
def across_tenants(table: str) -> Iterator[None]:
    """Let the migration change the rows of all tenants, as it fills a new column: `op.execute("UPDATE …")` inside.

    Row-level security binds the table's owner as well, so that otherwise no row would be found.
    """
    if _is_postgresql():
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    if _is_postgresql():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


__all__ = ["APP_ROLE", "SYSTEM_ROLE", "across_tenants", "append_only", "enable_rls", "grant", "secure"]
