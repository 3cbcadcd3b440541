"""Rows that the kernel itself adds to a running transaction, such as events and audit entries.

They go past the ORM, which would cost each request more than its own work does: the kernel makes these rows whole, with
their tenant, and has no use for what the ORM adds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Insert
from sqlalchemy.orm import Session

from riveredge_kernel.db.sqlite_driver import UNHEARD
from riveredge_kernel.db.wall import seal
from riveredge_sdk.models import uuid7


def fresh(now: datetime) -> dict[str, Any]:
    """What every row has."""
    return {"id": uuid7(), "created_at": now, "updated_at": now, "version": 1}


def add_rows(session: Session, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
    """Run an INSERT into a table of the kernel's.

    Args:
        statement: made once, so that its SQL is.
        rows: whole, each with its tenant.
    """
    return session.connection().execute(statement, rows, execution_options=seal())


def send_rows(session: Session, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """`add_rows` without a look at the answer. A failure is the next statement's, or the commit's."""
    session.connection().execute(statement, rows, execution_options={**seal(), UNHEARD: True})
