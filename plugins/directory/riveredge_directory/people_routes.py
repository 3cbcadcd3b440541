"""`/api/v1/directory/people` and `/me`: who is where, who is whose boss, and why."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_directory import service
from riveredge_directory.chain import climb
from riveredge_directory.models import Department, Membership, Position
from riveredge_directory.people import PeopleQuery
from riveredge_directory.permissions import MANAGE, READ
from riveredge_directory.place import Managers, PlaceOut, Ref, as_managers, place_of
from riveredge_directory.repository import Departments, Memberships, Positions, on
from riveredge_directory.schemas import At, MembershipOut, PersonRef, TransferIn
from riveredge_directory.turns import active, day_of, take_turn
from riveredge_sdk import Page, Router, current_principal, get_service
from riveredge_sdk.features.people import PEOPLE, Person
from riveredge_sdk.problems import NotFound, invalid_field

router = Router(prefix="/people", tag="Directory: people", audit="directory.membership")
own_router = Router(prefix="/me", tag="Directory: people")
AsMemberOf = Annotated[
    str | None, Query(max_length=100, description="Key or id of the department as whose member; none: the main one.")
]


class Listed(PersonRef):
    """Somebody, with where they belong first of all."""

    department: Ref | None
    position: Ref | None


@router.get(require=READ, summary="List people")
async def list_people(query: Annotated[PeopleQuery, Query()]) -> Page[Listed]:
    """All active members of the organisation, those who belong nowhere among them, in the order of their ids."""
    ids = await get_service(PEOPLE).members(after=query.cursor, limit=query.limit + 1)
    people = await active(ids)
    shown = [people[user_id] for user_id in ids[: query.limit] if user_id in people]
    mine = (col(Membership.user_id).in_({person.id for person in shown}), on(Membership, query.at or day_of()))
    first: dict[UUID, Membership] = {}
    for row in sorted(await Memberships().all(*mine), key=lambda row: (not row.main, row.valid_from, row.id)):
        first.setdefault(row.user_id, row)
    departments = await Departments().all(col(Department.id).in_({row.department_id for row in first.values()}))
    positions = await Positions().all(col(Position.id).in_({row.position_id for row in first.values()}))
    refs = {row.id: Ref(id=row.id, key=row.key, name=row.name) for row in departments}
    refs |= {row.id: Ref(id=row.id, key=row.key, name=row.title) for row in positions}
    items = [
        Listed(
            id=person.id,
            name=person.name,
            department=refs[first[person.id].department_id] if person.id in first else None,
            position=refs.get(first[person.id].position_id or person.id) if person.id in first else None,
        )
        for person in shown
    ]
    return Page[Listed](items=items, next=str(ids[query.limit - 1]) if len(ids) > query.limit else None)


@router.get("/{user_id}", require=READ, summary="Somebody's place in the organisation")
async def get_person(user_id: UUID, department: AsMemberOf = None, at: Annotated[At, Query()] = None) -> PlaceOut:
    """Departments, positions, what they lead, groups, and the chain of their managers with the reason of each."""
    return await place_of(await _person(user_id), at or day_of(), await _place(department))


@router.get("/{user_id}/managers", require=READ, summary="Somebody's managers")
async def list_managers(
    user_id: UUID,
    department: AsMemberOf = None,
    at: Annotated[At, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="So many at most.")] = 20,
) -> Managers:
    """The direct one first, each with the reason."""
    person = await _person(user_id)
    place = await _place(department)
    return as_managers(await climb(person.id, at or day_of(), place=place, limit=limit))


@router.post("/{user_id}/transfer", require=MANAGE, summary="Move somebody to another department")
async def transfer_person(user_id: UUID, body: TransferIn) -> MembershipOut:
    """They leave their main department the day before, with the reporting lines of it; the answer is the new one."""
    await take_turn()
    await _person(user_id)
    return MembershipOut.model_validate(await service.transfer(user_id, body))


@own_router.get(signed_in=True, summary="Your place in the organisation")
async def get_own_place(department: AsMemberOf = None, at: Annotated[At, Query()] = None) -> PlaceOut:
    """Your departments, groups and managers, with the reason of each."""
    return await place_of(await _person(current_principal().id), at or day_of(), await _place(department))


async def _person(user_id: UUID) -> Person:
    found = (await active([user_id])).get(user_id)
    if found is None:
        raise NotFound(f"There is no active member with the id {user_id} here.")
    return found


async def _place(ref: str | None) -> Department | None:
    if ref is None:
        return None
    found = await Departments().named(ref)
    if found is None:
        raise invalid_field("query.department", f"There is no department {ref!r} here.", "unknown")
    return found
