"""Pages of people: of departments, of groups, of the organisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import col, select

from riveredge_directory.models import Dated, GroupMember, Membership
from riveredge_directory.repository import on
from riveredge_directory.schemas import At, PersonRef
from riveredge_directory.tree import with_children
from riveredge_directory.turns import active, day_of
from riveredge_sdk import Page, session
from riveredge_sdk.features.people import Person
from riveredge_sdk.http import MAX_PAGE

# So many ids are asked for at a time.
_CHUNK = 500


class PeopleQuery(BaseModel):
    """What lists of people take."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="People a page.")] = 50
    cursor: Annotated[UUID | None, Field(description="`next` of the page before.")] = None
    at: At = None


class MembersQuery(PeopleQuery):
    """Of a department."""

    include_children: Annotated[bool, Field(description="Those of all departments below it, too.")] = False


@dataclass(frozen=True, slots=True)
class People:
    """The people who belong to some departments, or are themselves members of some groups, on a day."""

    day: date
    departments: set[UUID]
    groups: set[UUID]

    async def ids(self, after: UUID | None, limit: int) -> Sequence[UUID]:
        """The next of them, in their order."""
        found: set[UUID] = set()
        sources: tuple[tuple[type[Dated], Any, Any, list[UUID]], ...] = (
            (Membership, col(Membership.user_id), col(Membership.department_id), [*self.departments]),
            (GroupMember, col(GroupMember.user_id), col(GroupMember.group_id), [*self.groups]),
        )
        for model, person, place, places in sources:
            for start in range(0, len(places), _CHUNK):
                query = select(person).where(place.in_(places[start : start + _CHUNK]), on(model, self.day))
                query = query.where(person.is_not(None)).distinct().order_by(person).limit(limit)
                if after is not None:
                    query = query.where(person > after)
                found |= {*(await session().exec(query)).all()}
        # The first so many of the whole are among the first so many of each part.
        return sorted(found)[:limit]


async def people_of_department(department_id: UUID, day: date, *, include_children: bool) -> People:
    """Those of one department."""
    departments = await with_children([department_id]) if include_children else {department_id}
    return People(day=day, departments=departments, groups=set())


async def active_page(people: People, after: UUID | None, limit: int) -> Sequence[Person]:
    """The next of them who are active, in the order of their ids."""
    found: list[Person] = []
    while len(found) < limit:
        ids = await people.ids(after, limit)
        members = await active(ids)
        found += [members[user_id] for user_id in ids if user_id in members]
        if len(ids) < limit:
            break
        after = ids[-1]
    return found[:limit]


async def page_of(people: People, query: PeopleQuery) -> Page[PersonRef]:
    """A page of the active ones."""
    found = await active_page(people, query.cursor, query.limit + 1)
    items = [PersonRef(id=person.id, name=person.name) for person in found[: query.limit]]
    return Page[PersonRef](items=items, next=str(items[-1].id) if len(found) > query.limit else None)


async def page_of_department(department_id: UUID, query: MembersQuery) -> Page[PersonRef]:
    """A page of those of a department."""
    day = query.at or day_of()
    return await page_of(await people_of_department(department_id, day, include_children=query.include_children), query)
