"""`/api/v1/directory/groups`: people, departments and groups under one name."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_directory import groups as rules
from riveredge_directory.dated_routes import of_day
from riveredge_directory.group_schemas import (
    GroupChange,
    GroupIn,
    GroupMemberChange,
    GroupMemberIn,
    GroupMemberOut,
    GroupOut,
)
from riveredge_directory.models import Group, GroupMember
from riveredge_directory.people import PeopleQuery, page_of
from riveredge_directory.permissions import MANAGE, READ
from riveredge_directory.repository import GroupMembers, Groups
from riveredge_directory.schemas import DatedQuery, PersonRef
from riveredge_directory.turns import day_of, owned, take_turn
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import Conflict, NotFound, taken_field
from riveredge_sdk.quotas import claim_quota

router = Router(prefix="/groups", tag="Directory: groups", audit="directory.group")
groups = Groups()
members = GroupMembers()


@router.get(require=READ, summary="List groups")
async def list_groups(query: Annotated[ListQuery, Query()]) -> Page[GroupOut]:
    return await groups.page(query, into=GroupOut)


@router.get("/{group_id}", require=READ, summary="One group")
async def get_group(group_id: UUID) -> GroupOut:
    return GroupOut.model_validate(await groups.get(group_id))


@router.post(require=MANAGE, summary="Create a group")
async def create_group(body: GroupIn) -> GroupOut:
    await take_turn()
    await claim_quota("directory.groups")
    await _check_key(body.key)
    return GroupOut.model_validate(await groups.add(Group(**body.model_dump())))


@router.patch("/{group_id}", require=MANAGE, summary="Change a group")
async def change_group(group_id: UUID, body: GroupChange, version: ExpectedVersion) -> GroupOut:
    row = await owned(groups, group_id, version)
    if body.key and body.key != row.key:
        await _check_key(body.key)
    return GroupOut.model_validate(await groups.change(row, body))


@router.delete("/{group_id}", require=MANAGE, summary="Delete a group")
async def delete_group(group_id: UUID, version: ExpectedVersion) -> None:
    """Not while it is in other groups."""
    row = await owned(groups, group_id, version)
    around = await members.all(col(GroupMember.member_group_id) == group_id)
    if around:
        keys = [one.key for one in await groups.all(col(Group.id).in_({each.group_id for each in around}))]
        raise Conflict(f"It is a member of {', '.join(sorted(keys)[:10])}. Take it out there first.")
    await groups.delete(row)


@router.get("/{group_id}/people", require=READ, summary="The people of a group")
async def list_group_people(group_id: UUID, query: Annotated[PeopleQuery, Query()]) -> Page[PersonRef]:
    """Active people, in the order of their ids; those of groups and departments within it among them."""
    await groups.get(group_id)
    return await page_of(await rules.people_of([group_id], query.at or day_of()), query)


@router.get("/{group_id}/members", require=READ, summary="What a group consists of")
async def list_group_members(group_id: UUID, query: Annotated[DatedQuery, Query()]) -> Page[GroupMemberOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    await groups.get(group_id)
    mine = (col(GroupMember.group_id) == group_id, *of_day(GroupMember, query))
    return await members.page(query, *mine, into=GroupMemberOut)


@router.get("/{group_id}/members/{member_id}", require=READ, summary="One member of a group")
async def get_group_member(group_id: UUID, member_id: UUID) -> GroupMemberOut:
    return GroupMemberOut.model_validate(_of(group_id, await members.get(member_id)))


@router.post(
    "/{group_id}/members",
    require=MANAGE,
    audit="directory.group_member",
    summary="Add somebody or something to a group",
)
async def create_group_member(group_id: UUID, body: GroupMemberIn) -> GroupMemberOut:
    """A group that contains this one, directly or over others, is refused."""
    await take_turn()
    await groups.get(group_id)
    row = GroupMember(group_id=group_id, **body.model_dump())
    return GroupMemberOut.model_validate(await rules.add_member(row))


@router.patch(
    "/{group_id}/members/{member_id}",
    require=MANAGE,
    audit="directory.group_member",
    summary="Change or end a membership of a group",
)
async def change_group_member(
    group_id: UUID, member_id: UUID, body: GroupMemberChange, version: ExpectedVersion
) -> GroupMemberOut:
    row = _of(group_id, await owned(members, member_id, version))
    return GroupMemberOut.model_validate(await rules.settle_member(await members.change(row, body)))


@router.delete(
    "/{group_id}/members/{member_id}",
    require=MANAGE,
    audit="directory.group_member",
    summary="Take somebody or something out of a group",
)
async def delete_group_member(group_id: UUID, member_id: UUID, version: ExpectedVersion) -> None:
    """As if they had never been in it. To keep the history, give them a last day instead: `valid_until`."""
    await members.delete(_of(group_id, await owned(members, member_id, version)))


def _of(group_id: UUID, row: GroupMember) -> GroupMember:
    if row.group_id != group_id:
        raise NotFound(f"There is no member with the id {row.id} in this group.")
    return row


async def _check_key(key: str) -> None:
    if await groups.find(col(Group.key) == key) is not None:
        raise taken_field("group", "key", key)
