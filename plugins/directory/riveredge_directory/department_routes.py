"""`/api/v1/directory/departments` and `/positions`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_directory import groups, merging, people, service
from riveredge_directory.models import Department, Position
from riveredge_directory.permissions import MANAGE, READ
from riveredge_directory.repository import Departments, Positions
from riveredge_directory.schemas import (
    At,
    DepartmentChange,
    DepartmentIn,
    DepartmentOut,
    Merged,
    MergeIn,
    PersonRef,
    PositionChange,
    PositionIn,
    PositionOut,
    TreeNode,
)
from riveredge_directory.tree import heads_on
from riveredge_directory.turns import day_of, owned, take_turn
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import NotFound, taken_field

router = Router(prefix="/departments", tag="Directory: departments", audit="directory.department")
position_router = Router(prefix="/positions", tag="Directory: positions", audit="directory.position")
departments = Departments()
positions = Positions()


class DepartmentQuery(ListQuery):
    """Of the list of departments."""

    at: At = None


@router.get(require=READ, summary="List departments")
async def list_departments(query: Annotated[DepartmentQuery, Query()]) -> Page[DepartmentOut]:
    """All of them, or those that the filter names; the tree as a whole: /departments/tree."""
    page = await departments.page(query, into=DepartmentOut)
    await _add_heads(page.items, query.at)
    return page


@router.get("/tree", require=READ, summary="The tree of departments")
async def get_department_tree(
    root: Annotated[UUID | None, Query(description="Only this department and what is below it.")] = None,
    at: Annotated[At, Query()] = None,
) -> list[TreeNode]:
    """Each with its heads and the departments below it."""
    rows = await departments.all()
    if root is not None and root not in {row.id for row in rows}:
        raise NotFound(f"There is no department with the id {root} here.")
    heads, found = await heads_on(at or day_of())
    nodes = {
        row.id: TreeNode(
            id=row.id,
            key=row.key,
            name=row.name,
            heads=[PersonRef(id=head, name=found[head].name) for head in heads.get(row.id, ()) if head in found],
            children=[],
        )
        for row in rows
    }
    for row in sorted(rows, key=lambda row: (row.order, row.key)):
        if row.parent_id is not None:
            nodes[row.parent_id].children.append(nodes[row.id])
    if root is not None:
        return [nodes[root]]
    return [nodes[row.id] for row in sorted(rows, key=lambda row: (row.order, row.key)) if row.parent_id is None]


@router.get("/{department_id}", require=READ, summary="One department")
async def get_department(department_id: UUID, at: Annotated[At, Query()] = None) -> DepartmentOut:
    shown = DepartmentOut.model_validate(await departments.get(department_id))
    await _add_heads([shown], at)
    return shown


@router.get("/{department_id}/members", require=READ, summary="The people of a department")
async def list_department_members(
    department_id: UUID, query: Annotated[people.MembersQuery, Query()]
) -> Page[PersonRef]:
    """Active people, in the order of their ids."""
    await departments.get(department_id)
    return await people.page_of_department(department_id, query)


@router.post(require=MANAGE, summary="Create a department")
async def create_department(body: DepartmentIn) -> DepartmentOut:
    await take_turn()
    return DepartmentOut.model_validate(await service.add_department(Department(**body.model_dump())))


@router.patch("/{department_id}", require=MANAGE, summary="Change or move a department")
async def change_department(department_id: UUID, body: DepartmentChange, version: ExpectedVersion) -> DepartmentOut:
    """A new `parent_id` moves it, with all departments below it; below itself it cannot go."""
    row = await owned(departments, department_id, version)
    shown = DepartmentOut.model_validate(await service.change_department(row, body.model_dump(exclude_unset=True)))
    await _add_heads([shown], None)
    return shown


@router.delete("/{department_id}", require=MANAGE, summary="Delete a department")
async def delete_department(department_id: UUID, version: ExpectedVersion) -> None:
    """With the history of who belonged to it. Not while departments, people or groups depend on it."""
    row = await owned(departments, department_id, version)
    await service.delete_department(row, await groups.with_department(row.id))


@router.post("/{department_id}/merge", require=MANAGE, status=200, summary="Merge a department into another one")
async def merge_department(department_id: UUID, body: MergeIn) -> Merged:
    """Members, heads, reporting lines and places in groups go on in the other one from a day on, and the departments
    below it move there at once. What was before stays as history, and the department with it: delete it if not."""
    await take_turn()
    source = await departments.get(department_id)
    await departments.check(body.into_id, "into_id")
    return await merging.merge(source, await departments.get(body.into_id), body.valid_from)


async def _add_heads(items: Sequence[DepartmentOut], at: At) -> None:
    heads, found = await heads_on(at or day_of(), [item.id for item in items])
    for item in items:
        item.heads = [PersonRef(id=head, name=found[head].name) for head in heads.get(item.id, ()) if head in found]


# -- positions --------------------------------------------------------------------------------------------------------


@position_router.get(require=READ, summary="List positions")
async def list_positions(query: Annotated[ListQuery, Query()]) -> Page[PositionOut]:
    return await positions.page(query, into=PositionOut)


@position_router.get("/{position_id}", require=READ, summary="One position")
async def get_position(position_id: UUID) -> PositionOut:
    return PositionOut.model_validate(await positions.get(position_id))


@position_router.post(require=MANAGE, summary="Create a position")
async def create_position(body: PositionIn) -> PositionOut:
    await take_turn()
    await _check_key(body.key)
    return PositionOut.model_validate(await positions.add(Position(**body.model_dump())))


@position_router.patch("/{position_id}", require=MANAGE, summary="Change a position")
async def change_position(position_id: UUID, body: PositionChange, version: ExpectedVersion) -> PositionOut:
    row = await owned(positions, position_id, version)
    if body.key and body.key != row.key:
        await _check_key(body.key)
    return PositionOut.model_validate(await positions.change(row, body))


@position_router.delete("/{position_id}", require=MANAGE, summary="Delete a position")
async def delete_position(position_id: UUID, version: ExpectedVersion) -> None:
    """Not while somebody has it. Memberships that have ended lose it."""
    await service.delete_position(await owned(positions, position_id, version))


async def _check_key(key: str) -> None:
    if await positions.find(col(Position.key) == key) is not None:
        raise taken_field("position", "key", key)
