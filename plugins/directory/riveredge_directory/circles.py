"""Whether managers report to one another in a circle."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from riveredge_directory.models import ReportingLine

LinesOf = Callable[[UUID], Awaitable[Sequence[ReportingLine]]]


async def comes_back(row: ReportingLine, lines_of: LinesOf) -> bool:
    """Go up from the manager, over lines that hold together on some day and in one department, to the person again.

    That Ada reports to Wei in one department and Wei to Ada in another one is no circle; a general line counts in all.

    Args:
        lines_of: the lines of somebody that hold on some of the row's days, and perhaps others.
    """
    start = (row.manager_id, row.valid_from, row.valid_until, row.department_id)
    todo, seen = [start], {start}
    while todo:
        person, first, last, department_id = todo.pop()
        if person == row.user_id:
            return True
        for line in await lines_of(person):
            ends = [day for day in (last, line.valid_until) if day is not None]
            begins, end = max(first, line.valid_from), min(ends) if ends else None
            if end is not None and end < begins:
                continue
            if department_id is not None and line.department_id not in {None, department_id}:
                continue
            state = (line.manager_id, begins, end, department_id or line.department_id)
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return False
