"""The organisation of a day as the tables that imports take: brought in again, they change nothing."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from riveredge_directory.models import DepartmentHead, Membership, ReportingLine
from riveredge_directory.repository import Departments, Heads, Lines, Memberships, Positions, on
from riveredge_directory.tables.columns import COLUMNS, Kind
from riveredge_directory.tables.lookup import Known


def head(kind: Kind, *, chinese: bool) -> list[str]:
    """The names of the columns."""
    return [column.chinese if chinese else column.title for column in COLUMNS[kind]]


async def departments(day: date) -> list[Sequence[str]]:
    """Code, name, code above, heads, and since when these lead it; each department after the one above it."""
    rows = await Departments().all()
    keys = {row.id: row.key for row in rows}
    leads: dict[UUID, list[DepartmentHead]] = {}
    known = Known()
    heads = await Heads().all(on(DepartmentHead, day))
    await known.add(row.user_id for row in heads)
    for row in sorted(heads, key=lambda row: (row.order, row.id)):
        if row.user_id in known.emails:
            leads.setdefault(row.department_id, []).append(row)
    lines: dict[UUID, Sequence[str]] = {}
    for department in sorted(rows, key=lambda row: (row.order, row.key)):
        mine = leads.get(department.id, [])
        lines[department.id] = (
            department.key,
            department.name,
            keys[department.parent_id] if department.parent_id is not None else "",
            known.addresses([row.user_id for row in mine]) or "",
            max((str(row.valid_from) for row in mine), default=""),
        )
    below: dict[UUID | None, list[UUID]] = {}
    for department in sorted(rows, key=lambda row: (row.order, row.key)):
        below.setdefault(department.parent_id, []).append(department.id)
    ordered: list[Sequence[str]] = []
    todo = below.get(None, [])[::-1]
    while todo:
        ordered.append(lines[current := todo.pop()])
        todo += below.get(current, [])[::-1]
    return ordered


async def people(day: date, *, chinese: bool) -> list[Sequence[str]]:
    """A line for each department that somebody belongs to, and one for a manager in general."""
    keys = {row.id: row.key for row in await Departments().all()}
    positions = {row.id: row.key for row in await Positions().all()}
    memberships = await Memberships().all(on(Membership, day))
    reporting = await Lines().all(on(ReportingLine, day))
    known = Known()
    await known.add([*(row.user_id for row in memberships), *(id_ for row in reporting for id_ in _both(row))])
    managers = {(row.user_id, row.department_id): row for row in reporting if {*_both(row)} <= known.emails.keys()}
    yes, no = ("是", "否") if chinese else ("yes", "no")
    lines: list[tuple[tuple[str, bool, str], Sequence[str]]] = []
    for row in memberships:
        if row.user_id not in known.emails:
            continue
        email, key = known.emails[row.user_id], keys[row.department_id]
        line = managers.pop((row.user_id, row.department_id), None)
        since = str(max(row.valid_from, line.valid_from) if line is not None else row.valid_from)
        cells = (
            email,
            known.names[row.user_id],
            key,
            yes if row.main else no,
            positions[row.position_id] if row.position_id is not None else "",
            known.emails[line.manager_id] if line is not None else "",
            since,
        )
        lines.append(((email, not row.main, key), cells))
    for general in managers.values():
        if general.department_id is None:
            email, manager = known.emails[general.user_id], known.emails[general.manager_id]
            cells = (email, known.names[general.user_id], "", "", "", manager, str(general.valid_from))
            lines.append(((email, True, ""), cells))
    return [cells for _, cells in sorted(lines, key=lambda each: each[0])]


def _both(row: ReportingLine) -> tuple[UUID, UUID]:
    return row.user_id, row.manager_id
