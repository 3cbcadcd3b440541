"""`/api/v1/directory/memberships`, `/department-heads` and `/reporting-lines`: what depends on the day."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from riveredge_directory import service
from riveredge_directory.models import Dated, DepartmentHead, Membership, ReportingLine
from riveredge_directory.permissions import MANAGE, READ
from riveredge_directory.repository import Heads, Lines, Memberships, on
from riveredge_directory.schemas import (
    DatedChange,
    DatedQuery,
    HeadChange,
    HeadIn,
    HeadOut,
    LineIn,
    LineOut,
    MembershipChange,
    MembershipIn,
    MembershipOut,
)
from riveredge_directory.turns import day_of, owned, take_turn
from riveredge_sdk import ExpectedVersion, Page, Router

router = Router(prefix="/memberships", tag="Directory: memberships", audit="directory.membership")
head_router = Router(prefix="/department-heads", tag="Directory: heads", audit="directory.department_head")
line_router = Router(prefix="/reporting-lines", tag="Directory: reporting lines", audit="directory.reporting_line")
memberships = Memberships()
heads = Heads()
lines = Lines()


def of_day(model: type[Dated], query: DatedQuery) -> tuple[Any, ...]:
    """What a list is narrowed to."""
    return () if query.history else (on(model, query.at or day_of()),)


@router.get(require=READ, summary="List memberships")
async def list_memberships(query: Annotated[DatedQuery, Query()]) -> Page[MembershipOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    return await memberships.page(query, *of_day(Membership, query), into=MembershipOut)


@router.get("/{membership_id}", require=READ, summary="One membership")
async def get_membership(membership_id: UUID) -> MembershipOut:
    return MembershipOut.model_validate(await memberships.get(membership_id))


@router.post(require=MANAGE, summary="Let somebody belong to a department")
async def create_membership(body: MembershipIn) -> MembershipOut:
    """If it is their main one, another one is an ordinary one in that time."""
    await take_turn()
    row = Membership(**body.model_dump(exclude={"main"}))
    return MembershipOut.model_validate(await service.add_membership(row, main=body.main))


@router.patch("/{membership_id}", require=MANAGE, summary="Change or end a membership")
async def change_membership(membership_id: UUID, body: MembershipChange, version: ExpectedVersion) -> MembershipOut:
    """It counts for all its days. For a change from a day on, end it with `valid_until` and create what follows."""
    row = await owned(memberships, membership_id, version)
    return MembershipOut.model_validate(await service.change_membership(row, body.model_dump(exclude_unset=True)))


@router.delete("/{membership_id}", require=MANAGE, summary="Delete a membership")
async def delete_membership(membership_id: UUID, version: ExpectedVersion) -> None:
    """As if it had never been. Who leaves has a last day instead: `valid_until`."""
    await memberships.delete(await owned(memberships, membership_id, version))


# -- heads ------------------------------------------------------------------------------------------------------------


@head_router.get(require=READ, summary="List heads of departments")
async def list_department_heads(query: Annotated[DatedQuery, Query()]) -> Page[HeadOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    return await heads.page(query, *of_day(DepartmentHead, query), into=HeadOut)


@head_router.get("/{head_id}", require=READ, summary="One head of a department")
async def get_department_head(head_id: UUID) -> HeadOut:
    return HeadOut.model_validate(await heads.get(head_id))


@head_router.post(require=MANAGE, summary="Let somebody lead a department")
async def create_department_head(body: HeadIn) -> HeadOut:
    await take_turn()
    return HeadOut.model_validate(await service.add_head(DepartmentHead(**body.model_dump())))


@head_router.patch("/{head_id}", require=MANAGE, summary="Change or end the lead of a department")
async def change_department_head(head_id: UUID, body: HeadChange, version: ExpectedVersion) -> HeadOut:
    row = await owned(heads, head_id, version)
    return HeadOut.model_validate(await service.settle_head(await heads.change(row, body)))


@head_router.delete("/{head_id}", require=MANAGE, summary="Delete the lead of a department")
async def delete_department_head(head_id: UUID, version: ExpectedVersion) -> None:
    """As if it had never been. Who gives it up has a last day instead: `valid_until`."""
    await heads.delete(await owned(heads, head_id, version))


# -- reporting lines --------------------------------------------------------------------------------------------------


@line_router.get(require=READ, summary="List reporting lines")
async def list_reporting_lines(query: Annotated[DatedQuery, Query()]) -> Page[LineOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    return await lines.page(query, *of_day(ReportingLine, query), into=LineOut)


@line_router.get("/{line_id}", require=READ, summary="One reporting line")
async def get_reporting_line(line_id: UUID) -> LineOut:
    return LineOut.model_validate(await lines.get(line_id))


@line_router.post(require=MANAGE, summary="Let somebody report to a manager")
async def create_reporting_line(body: LineIn) -> LineOut:
    """Where the head of the department is the manager, none is needed. One that makes a circle is refused."""
    await take_turn()
    return LineOut.model_validate(await service.add_line(ReportingLine(**body.model_dump())))


@line_router.patch("/{line_id}", require=MANAGE, summary="Change or end a reporting line")
async def change_reporting_line(line_id: UUID, body: DatedChange, version: ExpectedVersion) -> LineOut:
    row = await owned(lines, line_id, version)
    return LineOut.model_validate(await service.settle_line(await lines.change(row, body)))


@line_router.delete("/{line_id}", require=MANAGE, summary="Delete a reporting line")
async def delete_reporting_line(line_id: UUID, version: ExpectedVersion) -> None:
    """As if it had never been. One that has ended has a last day instead: `valid_until`."""
    await lines.delete(await owned(lines, line_id, version))
