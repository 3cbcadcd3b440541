"""What other plugins ask of the organisation: the ports DIRECTORY and GROUPS."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col

from riveredge_directory import groups, models
from riveredge_directory.absences import substitutes_on
from riveredge_directory.chain import climb, memberships_on
from riveredge_directory.people import active_page, people_of_department
from riveredge_directory.repository import Departments, Groups
from riveredge_directory.tree import heads_on, path_of
from riveredge_directory.turns import day_of
from riveredge_sdk.features.directory import Department, ManagerChain


class OrganisationDirectory:
    """The port DIRECTORY, as of now."""

    async def department(self, ref: str) -> Department | None:
        row = await Departments().named(ref)
        return None if row is None else (await _shown([row]))[0]

    async def departments(self, refs: Collection[str]) -> Mapping[str, Department]:
        rows = await Departments().all_named(refs)
        shown = {each.id: each for each in await _shown(list({row.id: row for row in rows.values()}.values()))}
        return {ref: shown[row.id] for ref, row in rows.items()}

    async def departments_of(self, user_id: UUID) -> Sequence[Department]:
        order = [row.department_id for row in await memberships_on(user_id, day_of())]
        rows = await Departments().all(col(models.Department.id).in_(order))
        return await _shown(sorted(rows, key=lambda row: order.index(row.id)))

    async def members(
        self, department: str, *, include_children: bool = False, after: UUID | None = None, limit: int = 500
    ) -> Sequence[UUID]:
        row = await _known(department)
        people = await people_of_department(row.id, day_of(), include_children=include_children)
        return [person.id for person in await active_page(people, after, limit)]

    async def heads(self, department: str, *, level: int = 0) -> Sequence[UUID]:
        path = await path_of(await _known(department))
        if not 0 <= level < len(path):
            return ()
        return (await _shown([path[level]]))[0].heads

    async def managers(self, user_id: UUID, *, department: str | None = None, limit: int = 20) -> ManagerChain:
        place = await _known(department) if department is not None else None
        chain = await climb(user_id, day_of(), place=place, limit=limit)
        return ManagerChain([link.person.id for link in chain.links], chain.cut)

    async def substitutes(
        self, user_ids: Sequence[UUID], *, at: datetime | None = None
    ) -> Mapping[UUID, Sequence[UUID]]:
        found = await substitutes_on({*user_ids}, day_of(at))
        return {user_id: [person.id for person in people] for user_id, people in found.items()}


class OrganisationGroups:
    """The port GROUPS, as of now."""

    async def known(self, keys: Collection[str]) -> frozenset[str]:
        return (
            frozenset(row.key for row in await Groups().all(col(models.Group.key).in_(keys))) if keys else frozenset()
        )

    async def members(self, group: str, *, after: UUID | None = None, limit: int = 500) -> Sequence[UUID]:
        row = await Groups().find(col(models.Group.key) == group)
        if row is None:
            raise LookupError(group)
        return await groups.members_of(row.id, day_of(), after, limit)


async def _known(ref: str) -> models.Department:
    found = await Departments().named(ref)
    if found is None:
        raise LookupError(ref)
    return found


async def _shown(rows: Sequence[models.Department]) -> Sequence[Department]:
    heads, active = await heads_on(day_of(), [row.id for row in rows])
    return [
        Department(
            id=row.id,
            key=row.key,
            name=row.name,
            parent_id=row.parent_id,
            heads=[user_id for user_id in heads.get(row.id, ()) if user_id in active],
        )
        for row in rows
    ]
