"""The tree of departments: above, below, and no cycles."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlmodel import col, select

from riveredge_directory.models import Department, DepartmentHead
from riveredge_directory.repository import Departments, Heads, on
from riveredge_directory.turns import active
from riveredge_sdk import session
from riveredge_sdk.features.people import Person
from riveredge_sdk.problems import Conflict, FieldError

MAX_DEPTH = 20
# So many ids are asked for at a time.
_CHUNK = 500


async def path_of(department: Department) -> Sequence[Department]:
    """The department and those above it, the nearest one first."""
    found = [department]
    while found[-1].parent_id is not None and len(found) <= MAX_DEPTH:
        above = await Departments().find(col(Department.id) == found[-1].parent_id)
        if above is None:
            break
        found.append(above)
    return found


async def levels_below(department_ids: Iterable[UUID]) -> Sequence[Sequence[UUID]]:
    """The departments themselves, those directly below them, and so on."""
    levels: list[Sequence[UUID]] = []
    level: Sequence[UUID] = [*department_ids]
    while level and len(levels) <= MAX_DEPTH:
        levels.append(level)
        children: list[UUID] = []
        for start in range(0, len(level), _CHUNK):
            query = select(Department.id).where(col(Department.parent_id).in_(level[start : start + _CHUNK]))
            children += (await session().exec(query)).all()
        level = children
    return levels


async def with_children(department_ids: Iterable[UUID]) -> set[UUID]:
    """The departments and all below them."""
    return {one for level in await levels_below(department_ids) for one in level}


async def check_place(department: Department) -> None:
    """See that the department hangs in a tree that is not too deep. Call it in turn, after the parent has been set.

    Raises:
        Conflict: it would be below itself, or too deep.
    """
    above: list[str] = []
    parent_id = department.parent_id
    while parent_id is not None:
        if parent_id == department.id:
            way = " → ".join([department.key, *above, department.key])
            error = FieldError("parent_id", "Choose a department that is not below it.", "cycle")
            raise Conflict(f"The department would be below itself: {way}.", errors=[error])
        parent = await Departments().get(parent_id)
        above.append(parent.key)
        parent_id = parent.parent_id
    if len(above) + len(await levels_below([department.id])) > MAX_DEPTH:
        error = FieldError("parent_id", "Choose a department nearer to the top.", "depth")
        raise Conflict(f"Departments can be {MAX_DEPTH} levels deep, and it would be more.", errors=[error])


async def heads_on(
    day: date, department_ids: Sequence[UUID] | None = None
) -> tuple[Mapping[UUID, Sequence[UUID]], Mapping[UUID, Person]]:
    """The heads of departments, in their order, and those of them who are active; None for all departments."""
    rows: list[DepartmentHead] = []
    if department_ids is None:
        rows += await Heads().all(on(DepartmentHead, day))
    else:
        for start in range(0, len(department_ids), _CHUNK):
            some = col(DepartmentHead.department_id).in_(department_ids[start : start + _CHUNK])
            rows += await Heads().all(on(DepartmentHead, day), some)
    people = await active({row.user_id for row in rows})
    found: dict[UUID, list[UUID]] = {}
    for row in sorted(rows, key=lambda row: (row.order, row.id)):
        found.setdefault(row.department_id, []).append(row.user_id)
    return found, people
