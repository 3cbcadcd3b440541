"""What holds from a day on, in memory: an import looks at thousands of rows."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

from riveredge_directory.models import Dated
from riveredge_directory.tables.cells import Cells
from riveredge_sdk import session

DatedT = TypeVar("DatedT", bound=Dated)
ONE_DAY = timedelta(days=1)


def holds_on(row: Dated, day: date) -> bool:
    """Whether it holds on a day."""
    return row.valid_from <= day and (row.valid_until is None or row.valid_until >= day)


def holding(mine: Sequence[DatedT], first: date) -> DatedT | None:
    """The one of the rows that holds on a day, else the next one; None if there is neither."""
    there = next((row for row in mine if holds_on(row, first)), None)
    later = (row for row in mine if row.valid_from > first)
    return there or min(later, key=lambda row: row.valid_from, default=None)


def bring_forward(row: Dated, first: date, line: Cells) -> bool:
    """Let the row begin on a day already, and note it on the line; whether it would have begun later."""
    if row.valid_from <= first:
        return False
    line.change("from", str(row.valid_from), str(first))
    row.valid_from = first
    return True


async def end_before(rows: list[DatedT], row: DatedT, day: date) -> None:
    """Let it end the day before. What has not begun by then was never to be."""
    if row.valid_from < day:
        row.valid_until = day - ONE_DAY
        return
    rows.remove(row)
    await session().delete(row)
