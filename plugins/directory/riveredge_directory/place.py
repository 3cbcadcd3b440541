"""A person's place in the organisation: where they belong, whom they report to and why."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col

from riveredge_directory.absences import substitutes_on
from riveredge_directory.chain import Chain, Link, climb, memberships_on
from riveredge_directory.groups import groups_of
from riveredge_directory.models import Absence, Department, DepartmentHead, Membership, Position
from riveredge_directory.repository import Absences, Departments, Heads, Positions, on
from riveredge_directory.schemas import PersonRef
from riveredge_directory.tree import path_of
from riveredge_sdk import current_context
from riveredge_sdk.features.people import Person

_WHY = {
    "en": {"line": "Reporting line", "line_in": "Reporting line in {name}", "head": "Head of {name}"},
    "zh": {"line": "指定的上级", "line_in": "在{name}指定的上级", "head": "{name}负责人"},
}


class Ref(BaseModel):
    """A department, position or group."""

    id: UUID
    key: str
    name: str


class BelongsTo(BaseModel):
    """A department somebody belongs to."""

    membership_id: UUID
    department: Ref
    path: Annotated[list[str], Field(description="The names from the top down to it.")]
    position: Ref | None
    main: bool
    since: date


class Manager(BaseModel):
    """Somebody's manager, and why."""

    user: PersonRef
    by: Annotated[Literal["line", "head"], Field(description="A reporting line, or leading the department.")]
    department: Ref | None
    why: Annotated[str, Field(description="A sentence in the reader's language.")]


class Managers(BaseModel):
    """Managers upwards, the direct one first."""

    chain: list[Manager]
    cut: Annotated[bool, Field(description="It ends because the organisation goes in a circle.")]


class Away(BaseModel):
    """An absence, as colleagues see it."""

    until: Annotated[date | None, Field(description="The last day; none: until further notice.")]
    substitutes: list[PersonRef]


class PlaceOut(Managers):
    """Somebody's place in the organisation on a day."""

    user: PersonRef
    at: date
    departments: Annotated[list[BelongsTo], Field(description="The main one first.")]
    leads: list[Ref]
    groups: Annotated[list[Ref], Field(description="Those they are in over departments and other groups, too.")]
    absence: Away | None


async def place_of(person: Person, day: date, department: Department | None) -> PlaceOut:
    """The place of a person; managers are those of the department, or of the main one."""
    rows = await memberships_on(person.id, day)
    positions = {row.id: row for row in await Positions().all(col(Position.id).in_({r.position_id for r in rows}))}
    belongs, own, above = [], set[UUID](), set[UUID]()
    for row in rows:
        path = await path_of(await Departments().get(row.department_id))
        own.add(path[0].id)
        above |= {each.id for each in path}
        belongs.append(_belongs(row, path, positions.get(row.position_id) if row.position_id else None))
    leads = await Heads().all(col(DepartmentHead.user_id) == person.id, on(DepartmentHead, day))
    led = await Departments().all(col(Department.id).in_({row.department_id for row in leads}))
    groups = await groups_of(person.id, own, above, day)
    managers = as_managers(await climb(person.id, day, place=department))
    return PlaceOut(
        user=_person(person),
        at=day,
        departments=belongs,
        leads=[_ref(each) for each in sorted(led, key=lambda row: (row.order, row.key))],
        groups=[Ref(id=each.id, key=each.key, name=each.name) for each in groups],
        absence=await _absence(person.id, day),
        chain=managers.chain,
        cut=managers.cut,
    )


def as_managers(chain: Chain) -> Managers:
    """The chain as it is answered."""
    return Managers(chain=[_manager(link) for link in chain.links], cut=chain.cut)


def _manager(link: Link) -> Manager:
    texts = _WHY["zh" if current_context().locale.lower().startswith("zh") else "en"]
    code = "line_in" if link.why == "line" and link.department is not None else link.why
    name = link.department.name if link.department is not None else ""
    return Manager(
        user=_person(link.person),
        by=link.why,
        department=_ref(link.department) if link.department is not None else None,
        why=texts[code].format(name=name),
    )


async def _absence(user_id: UUID, day: date) -> Away | None:
    row = await Absences().find(col(Absence.user_id) == user_id, on(Absence, day))
    if row is None:
        return None
    substitutes = (await substitutes_on([user_id], day))[user_id]
    return Away(until=row.valid_until, substitutes=[_person(each) for each in substitutes])


def _belongs(row: Membership, path: Sequence[Department], position: Position | None) -> BelongsTo:
    return BelongsTo(
        membership_id=row.id,
        department=_ref(path[0]),
        path=[each.name for each in reversed(path)],
        position=Ref(id=position.id, key=position.key, name=position.title) if position is not None else None,
        main=row.main,
        since=row.valid_from,
    )


def _ref(row: Department) -> Ref:
    return Ref(id=row.id, key=row.key, name=row.name)


def _person(person: Person) -> PersonRef:
    return PersonRef(id=person.id, name=person.name)
