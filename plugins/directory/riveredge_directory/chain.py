"""Who is somebody's boss, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal
from uuid import UUID

from sqlmodel import col

from riveredge_directory.models import Department, DepartmentHead, Membership, ReportingLine
from riveredge_directory.repository import Departments, Heads, Lines, Memberships, on
from riveredge_directory.tree import heads_on, path_of
from riveredge_directory.turns import active
from riveredge_sdk.features.people import Person


@dataclass(frozen=True, slots=True)
class Link:
    """A manager: by a reporting line, or as the head of a department. `department` is None for a general line."""

    person: Person
    why: Literal["line", "head"]
    department: Department | None


@dataclass(slots=True)
class Chain:
    """Managers upwards, each once. `cut`: it ended because the organisation goes in a circle."""

    links: list[Link] = field(default_factory=list)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """Whom somebody reports to, and as a member of which department that one is looked at further up."""

    user_id: UUID
    why: Literal["line", "head"]
    department: Department | None
    place: Department | None


async def memberships_on(user_id: UUID, day: date) -> Sequence[Membership]:
    """Where somebody belongs, the main one first; without one, where they have been longest."""
    rows = await Memberships().all(col(Membership.user_id) == user_id, on(Membership, day))
    return sorted(rows, key=lambda row: (not row.main, row.valid_from, row.id))


async def climb(user_id: UUID, day: date, *, place: Department | None = None, limit: int = 20) -> Chain:
    """Somebody's managers on a day, as a member of a department or, without one, of their main one.

    Managers who are not active are not in the chain; it goes on above them.
    """
    chain = Chain()
    seen, person = {user_id}, user_id
    place = place or await _main(user_id, day)
    while len(chain.links) < limit:
        step = await _by_line(person, place, day)
        if step is not None and step.user_id in seen:
            chain.cut = True
        elif step is None:
            step, chain.cut = await _by_head(person, place, day, seen)
        if step is None or chain.cut:
            break
        seen.add(step.user_id)
        person, place = step.user_id, step.place
        found = (await active([person])).get(person)
        if found is not None:
            chain.links.append(Link(found, step.why, step.department))
    return chain


async def _main(user_id: UUID, day: date) -> Department | None:
    rows = await memberships_on(user_id, day)
    return await Departments().find(col(Department.id) == rows[0].department_id) if rows else None


async def _by_line(user_id: UUID, place: Department | None, day: date) -> _Step | None:
    rows = await Lines().all(col(ReportingLine.user_id) == user_id, on(ReportingLine, day))
    by_department = {row.department_id: row for row in rows}
    row = (by_department.get(place.id) if place is not None else None) or by_department.get(None)
    if row is None:
        return None
    stays = place is not None and await _is_of(row.manager_id, place.id, day)
    further = place if stays else await _main(row.manager_id, day)
    return _Step(row.manager_id, "line", place if row.department_id is not None else None, further)


async def _is_of(user_id: UUID, department_id: UUID, day: date) -> bool:
    """Whether somebody belongs to a department, or leads it."""
    belongs = (col(Membership.user_id) == user_id, col(Membership.department_id) == department_id)
    if await Memberships().find(*belongs, on(Membership, day)) is not None:
        return True
    leads = (col(DepartmentHead.user_id) == user_id, col(DepartmentHead.department_id) == department_id)
    return await Heads().find(*leads, on(DepartmentHead, day)) is not None


async def _by_head(user_id: UUID, place: Department | None, day: date, seen: set[UUID]) -> tuple[_Step | None, bool]:
    """The next head on the way up, and whether there would only be one who has been met already."""
    if place is None:
        return None, False
    path = await path_of(place)
    heads, people = await heads_on(day, [department.id for department in path])
    met = False
    for department in path:
        leaders = [head for head in heads.get(department.id, ()) if head in people]
        if user_id in heads.get(department.id, ()):
            continue
        fresh = next((head for head in leaders if head not in seen), None)
        if fresh is not None:
            return _Step(fresh, "head", department, department), False
        met = met or bool(leaders)
    return None, met
