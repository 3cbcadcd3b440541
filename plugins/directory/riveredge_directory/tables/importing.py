"""Bring a file in, whole or not at all."""

from collections import Counter

from riveredge_directory.tables.cells import Table
from riveredge_directory.tables.departments import DepartmentImport
from riveredge_directory.tables.files import Sheet
from riveredge_directory.tables.people import PeopleImport
from riveredge_directory.tables.reports import ImportReport, LineReport
from riveredge_directory.turns import day_of
from riveredge_sdk import savepoint
from riveredge_sdk.problems import Invalid

# So many errors are told at a time.
MAX_ERRORS = 200


class _TakenBackError(Exception):
    """Ends a savepoint of which nothing is to stay."""


async def bring_in(sheet: Sheet, table: Table, *, dry_run: bool, end_others: bool, new_positions: bool) -> ImportReport:
    """What the lines do. Call it in turn (`turns.take_turn`).

    Raises:
        Invalid: some lines are not right, and it is no dry run. Nothing has changed.
    """
    lines: list[LineReport] = []
    try:
        # A dry run is the very same work.
        async with savepoint():
            lines = await _run(table, end_others=end_others, new_positions=new_positions)
            if dry_run or any(line.errors for line in lines):
                raise _TakenBackError
    except _TakenBackError:
        pass
    counts = Counter(line.action for line in lines)
    if counts["failed"] and not dry_run:
        errors = [error for line in lines for error in line.problems()]
        raise Invalid(
            f"{counts['failed']} of {len(lines)} lines are not right, so nothing was imported. Mend them and send the "
            "file again; ?dry_run=true tells what it would do.",
            errors=errors[:MAX_ERRORS],
            extensions={"lines": [line.model_dump() for line in lines if line.errors][:MAX_ERRORS]},
        )
    return ImportReport(
        kind=table.kind,
        dry_run=dry_run,
        encoding=sheet.encoding,
        separator=sheet.separator,
        ignored=[*table.ignored],
        created=counts["created"],
        changed=counts["changed"],
        unchanged=counts["unchanged"],
        failed=counts["failed"],
        lines=lines,
    )


async def _run(table: Table, *, end_others: bool, new_positions: bool) -> list[LineReport]:
    today = day_of()
    if table.kind == "departments":
        return await DepartmentImport(table.lines, today).run()
    return await PeopleImport(table.lines, today, end_others=end_others, new_positions=new_positions).run()
