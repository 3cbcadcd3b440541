"""The wall between tenants, as plugins meet it: what it refuses, and the one hatch they have.

The session filters every ORM statement by the current tenant, stamps new rows, and refuses whatever it cannot check:
`text()`, `literal_column()`, bare tables, Core statements on the connection, bulk methods that skip the ORM.
"""

from sqlalchemy import TextClause

REVIEWED = "riveredge_reviewed"


class TenantWallError(RuntimeError):
    """Code tried to do something that could reach another tenant's data: a mistake in code, never in a request."""


def raw_sql_reviewed(statement: TextClause, *, reason: str) -> TextClause:
    """Let hand-written SQL through the wall, because a person has checked that it cannot reach another tenant's rows.

    Args:
        statement: `text(…)` that compares with `:tenant_id`, which the kernel fills with the current tenant's id.
        reason: why the ORM will not do; it is logged with every use.

    Raises:
        ValueError: no reason is given.
    """
    if not reason.strip():
        raise ValueError("say why this statement must be raw SQL")
    return statement.execution_options(**{REVIEWED: reason})


__all__ = ["REVIEWED", "TenantWallError", "raw_sql_reviewed"]
