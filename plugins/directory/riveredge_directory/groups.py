"""The rules of groups, and who is in one."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select

from riveredge_directory.models import Group, GroupMember
from riveredge_directory.people import People, active_page
from riveredge_directory.repository import Departments, GroupMembers, Groups, on, within
from riveredge_directory.service import check_free
from riveredge_directory.tree import with_children
from riveredge_directory.turns import check_people, check_span, day_of
from riveredge_sdk import session
from riveredge_sdk.problems import Conflict, FieldError, invalid_field


async def add_member(row: GroupMember) -> GroupMember:
    """A person, a department or another group."""
    check_span(row)
    if row.user_id is not None:
        await check_people({"user_id": row.user_id})
    await Departments().check(row.department_id, "department_id")
    if row.member_group_id is not None and await Groups().find(col(Group.id) == row.member_group_id) is None:
        raise invalid_field("member_group_id", f"There is no group with the id {row.member_group_id} here.", "unknown")
    return await settle_member(await GroupMembers().add(row))


async def settle_member(row: GroupMember) -> GroupMember:
    """See that it is a member once at a time, and that no group is in itself.

    Raises:
        Conflict: it is.
    """
    check_span(row)
    same = (
        col(GroupMember.user_id) == row.user_id,
        col(GroupMember.department_id) == row.department_id,
        col(GroupMember.member_group_id) == row.member_group_id,
    )
    await check_free(
        GroupMembers(), row, "It is a member of this group", col(GroupMember.group_id) == row.group_id, *same
    )
    if row.member_group_id is not None:
        await _check_acyclic(row)
    return row


async def _check_acyclic(row: GroupMember) -> None:
    todo, seen = [(row.member_group_id, row.valid_from, row.valid_until)], set()
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        group_id, first, last = state
        if group_id == row.group_id:
            error = FieldError("member_group_id", "Choose a group that does not contain this one.", "cycle")
            raise Conflict("The group would be in itself, directly or over others.", errors=[error])
        inner = (col(GroupMember.group_id) == group_id, col(GroupMember.member_group_id).is_not(None))
        for each in await GroupMembers().all(*inner, within(GroupMember, first, last)):
            ends = [day for day in (last, each.valid_until) if day is not None]
            todo.append((each.member_group_id, max(first, each.valid_from), min(ends) if ends else None))


async def with_department(department_id: UUID) -> list[str]:
    """The groups that a department is in, or will be, as reasons not to delete it."""
    mine = (col(GroupMember.department_id) == department_id, within(GroupMember, day_of(), None))
    query = select(Group.key).where(col(Group.id).in_(select(GroupMember.group_id).where(*mine)))
    keys = (await session().exec(query.order_by(col(Group.key)))).all()
    return [f"a place in the group(s) {', '.join(keys[:10])}"] if keys else []


async def people_of(group_ids: Sequence[UUID], day: date) -> People:
    """What the people of some groups are found by: those of groups and departments within them, too."""
    found: set[UUID] = set()
    departments: set[UUID] = set()
    trees: set[UUID] = set()
    todo = {*group_ids}
    while todo:
        found |= todo
        rows = await GroupMembers().all(
            col(GroupMember.group_id).in_(todo), col(GroupMember.user_id).is_(None), on(GroupMember, day)
        )
        departments |= {row.department_id for row in rows if row.department_id and not row.include_children}
        trees |= {row.department_id for row in rows if row.department_id and row.include_children}
        todo = {row.member_group_id for row in rows if row.member_group_id is not None} - found
    if trees:
        departments |= await with_children(trees)
    return People(day=day, departments=departments, groups=found)


async def members_of(group_id: UUID, day: date, after: UUID | None, limit: int) -> Sequence[UUID]:
    """The next active people of a group, in the order of their ids."""
    return [person.id for person in await active_page(await people_of([group_id], day), after, limit)]


async def groups_of(user_id: UUID, own: set[UUID], above: set[UUID], day: date) -> Sequence[Group]:
    """The groups somebody is in: themselves, with a department, or over other groups; by key.

    Args:
        own: the departments they belong to; above: those above these.
    """
    with_me = or_(
        col(GroupMember.user_id) == user_id,
        col(GroupMember.department_id).in_(own),
        and_(col(GroupMember.department_id).in_(above), col(GroupMember.include_children)),
    )
    found: set[UUID] = set()
    todo = {row.group_id for row in await GroupMembers().all(with_me, on(GroupMember, day))}
    while todo:
        found |= todo
        rows = await GroupMembers().all(col(GroupMember.member_group_id).in_(todo), on(GroupMember, day))
        todo = {row.group_id for row in rows} - found
    return sorted(await Groups().all(col(Group.id).in_(found)), key=lambda row: row.key)
