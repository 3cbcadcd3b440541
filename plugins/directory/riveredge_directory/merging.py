"""Two departments become one from a day on; what was before stays as history."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_directory import groups, service
from riveredge_directory.models import Department, DepartmentHead, Membership
from riveredge_directory.repository import Departments, GroupMembers, Heads, Lines, Memberships, within
from riveredge_directory.schemas import Merged
from riveredge_directory.tree import check_place, with_children
from riveredge_sdk import Repository
from riveredge_sdk.problems import invalid_field

Settle = Callable[[Any, Any, Any], Awaitable[None]]
_ONE_DAY = timedelta(days=1)
_OWN = {"id", "created_at", "updated_at", "version", "tenant_id"}


async def merge(source: Department, target: Department, first: date) -> Merged:
    """What belongs to one department belongs to the other from a day on; departments below it are moved at once.

    Who belongs to both, leads both or reports in both on these days stays in the other one as they are there.

    Raises:
        Invalid: it is the same department. Conflict: departments would be too deep, or managers go in a circle.
    """
    if source.id == target.id:
        raise invalid_field("into_id", "A department cannot be merged with itself. Name another one.", "self")
    children = await _move_children(source, target)
    between = (source.id, target.id)
    return Merged(
        departments=children,
        memberships=await _move(Memberships(), between, first, "user_id", _belongs),
        # After those who lead the other one already.
        heads=await _move_heads(between, first),
        reporting_lines=await _move(Lines(), between, first, "user_id", _plain(service.settle_line)),
        group_members=await _move(GroupMembers(), between, first, "group_id", _plain(groups.settle_member)),
    )


async def _move_children(source: Department, target: Department) -> int:
    if target.id in await with_children([source.id]):
        # It comes out from below, before what is beside it comes below it.
        await Departments().change(target, {"parent_id": source.parent_id})
    children = await Departments().all(col(Department.parent_id) == source.id, col(Department.id) != target.id)
    for child in children:
        await Departments().change(child, {"parent_id": target.id})
        await check_place(child)
    return len(children)


async def _move(rows: Repository[Any], between: tuple[UUID, UUID], first: date, same: str, settle: Settle) -> int:
    """Rows of one department end, and go on as the other's; how many there were.

    Args:
        same: what makes two rows of the two departments one.
        settle: given the old row, the new one and, instead of that, the one that is there already.
    """
    source, target = between
    model: Any = rows.model
    found = await rows.all(model.department_id == source, within(model, first, None))
    for row in sorted(found, key=lambda row: (getattr(row, "order", 0), row.id)):
        begins = max(first, row.valid_from)
        moved = model(**(row.model_dump(exclude=_OWN) | {"department_id": target, "valid_from": begins}))
        mine = getattr(model, same) == getattr(row, same)
        there = await rows.find(model.department_id == target, mine, within(model, begins, row.valid_until))
        await service.end_before(rows, row, first)
        if there is None:
            await rows.add(moved)
        await settle(row, moved, there)
    return len(found)


async def _belongs(row: Membership, moved: Membership, there: Membership | None) -> None:
    if there is None:
        await service.settle_membership(moved, main=row.main)
        return
    if row.main and not there.main:
        if there.valid_from < moved.valid_from:
            before, begins = there, moved.valid_from
            there = Membership(**(before.model_dump(exclude=_OWN) | {"valid_from": begins}))
            await Memberships().change(before, {"valid_until": begins - _ONE_DAY})
            await Memberships().add(there)
        await service.settle_membership(there, main=True)


def _plain(check: Callable[[Any], Awaitable[Any]]) -> Settle:
    async def settle(_row: Any, moved: Any, there: Any) -> None:
        if there is None:
            await check(moved)

    return settle


async def _move_heads(between: tuple[UUID, UUID], first: date) -> int:
    led = col(DepartmentHead.department_id) == between[1]
    leading = await Heads().all(led, within(DepartmentHead, first, None))
    behind = max((row.order for row in leading), default=-1) + 1

    async def settle(row: DepartmentHead, moved: DepartmentHead, there: DepartmentHead | None) -> None:
        if there is None:
            await Heads().change(moved, {"order": behind + row.order})
            await service.settle_head(moved)

    return await _move(Heads(), between, first, "user_id", settle)
