"""Who belongs where, who leads and who reports to whom: the rules. They are called in turn (`turns.take_turn`)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col

from riveredge_directory.circles import comes_back
from riveredge_directory.models import Department, DepartmentHead, Membership, Position, ReportingLine
from riveredge_directory.repository import Departments, Heads, Lines, Memberships, Positions, within
from riveredge_directory.schemas import TransferIn
from riveredge_directory.tree import check_place
from riveredge_directory.turns import check_people, check_span, day_of
from riveredge_sdk import Repository, session
from riveredge_sdk.problems import Conflict, FieldError, invalid_field, taken_field
from riveredge_sdk.quotas import claim_quota

_ONE_DAY = timedelta(days=1)


async def check_free(rows: Repository[Any], row: Any, what: str, *same: Any) -> None:
    """Raise `Conflict` if another row of the same kind holds on one of the row's days."""
    model: Any = rows.model
    span = within(model, row.valid_from, row.valid_until)
    other = await rows.find(*same, span, model.id != row.id)
    if other is not None:
        until = f"until {other.valid_until}" if other.valid_until is not None else "until further notice"
        error = FieldError("valid_from", "Choose other days, or change what is there.", "overlap")
        raise Conflict(
            f"{what} from {other.valid_from} {until} already.", errors=[error], extensions={"other": str(other.id)}
        )


# -- departments and positions ----------------------------------------------------------------------------------------


async def add_department(row: Department) -> Department:
    """A new department in its place."""
    await claim_quota("directory.departments")
    if await Departments().find(col(Department.key) == row.key) is not None:
        raise taken_field("department", "key", row.key)
    await Departments().check(row.parent_id, "parent_id")
    await Departments().add(row)
    await check_place(row)
    return row


async def change_department(row: Department, values: dict[str, Any]) -> Department:
    """What is given; a new parent moves it with all below it."""
    if values.get("key", row.key) != row.key and await Departments().find(col(Department.key) == values["key"]):
        raise taken_field("department", "key", values["key"])
    await Departments().check(values.get("parent_id"), "parent_id")
    await Departments().change(row, values)
    await check_place(row)
    return row


async def delete_department(row: Department, used_by: list[str]) -> None:
    """With its history. `used_by` names what else refers to it.

    Raises:
        Conflict: something is in it, or will be.
    """
    children = await Departments().count(col(Department.parent_id) == row.id)
    people = await Memberships().count(col(Membership.department_id) == row.id, within(Membership, day_of(), None))
    reasons = [f"{children} department(s) below it"] if children else []
    reasons += [f"{people} membership(s) that have not ended"] if people else []
    reasons += used_by
    if reasons:
        raise Conflict(
            f"It still has {' and '.join(reasons)}. Move or end them first.",
            extensions={"departments": children, "memberships": people},
        )
    await Departments().delete(row)


async def delete_position(row: Position) -> None:
    """Memberships of the past lose it.

    Raises:
        Conflict: somebody has it, or will.
    """
    mine = col(Membership.position_id) == row.id
    people = await Memberships().count(mine, within(Membership, day_of(), None))
    if people:
        raise Conflict(f"{people} membership(s) that have not ended are of this position; change them first.")
    await session().exec(update(Membership).where(mine).values(position_id=None))
    await Positions().delete(row)


# -- memberships ------------------------------------------------------------------------------------------------------


async def add_membership(row: Membership, *, main: bool | None) -> Membership:
    """A new membership; with `main` None it is their main one if they have no other in that time."""
    await check_people({"user_id": row.user_id})
    await Departments().check(row.department_id, "department_id")
    await _check_position(row.position_id)
    row.main = False
    mine = (col(Membership.user_id) == row.user_id, col(Membership.main))
    if main is None:
        main = await Memberships().find(*mine, within(Membership, row.valid_from, row.valid_until)) is None
    await Memberships().add(row)
    return await settle_membership(row, main=main)


async def change_membership(row: Membership, values: dict[str, Any]) -> Membership:
    """What is given."""
    await _check_position(values.get("position_id"))
    main = values.pop("main", row.main)
    await Memberships().change(row, values)
    return await settle_membership(row, main=main)


async def settle_membership(row: Membership, *, main: bool) -> Membership:
    """See that it is alone in its days, and that no other one is the main one in them."""
    check_span(row)
    where = (col(Membership.user_id) == row.user_id, col(Membership.department_id) == row.department_id)
    await check_free(Memberships(), row, "They belong to this department", *where)
    if main:
        await _others_give_way(row)
    await Memberships().change(row, {"main": main})
    return row


async def _others_give_way(row: Membership) -> None:
    mine = (col(Membership.user_id) == row.user_id, col(Membership.main), col(Membership.id) != row.id)
    others = await Memberships().all(*mine, within(Membership, row.valid_from, row.valid_until))
    for left in give_way(row, others):
        await Memberships().add(left)
    await session().flush()


def give_way(row: Membership, others: Sequence[Membership]) -> list[Membership]:
    """Main memberships become ordinary ones for the row's days; what they are before and after stays, in new rows.

    Args:
        others: the person's; the row may be among them.

    Returns:
        The new rows, to be added.
    """
    left: list[Membership] = []
    for other in others:
        ended = other.valid_until is not None and other.valid_until < row.valid_from
        early = row.valid_until is not None and row.valid_until < other.valid_from
        if other is row or not other.main or ended or early:
            continue
        if other.valid_from < row.valid_from:
            left.append(_part(other, valid_until=row.valid_from - _ONE_DAY))
            other.valid_from = row.valid_from
        if row.valid_until is not None and (other.valid_until is None or other.valid_until > row.valid_until):
            left.append(_part(other, valid_from=row.valid_until + _ONE_DAY))
            other.valid_until = row.valid_until
        other.main = False
    return left


def _part(row: Membership, **span: date) -> Membership:
    kept = {"user_id", "department_id", "position_id", "main", "valid_from", "valid_until"}
    return Membership(**(row.model_dump(include=kept) | span))


async def transfer(user_id: UUID, body: TransferIn) -> Membership:
    """Somebody leaves their main department the day before they come to the new one, with reporting lines of it.

    Raises:
        Conflict: they belong to the new one in that time already.
    """
    first = body.valid_from
    mine = (col(Membership.user_id) == user_id, col(Membership.main))
    for row in await Memberships().all(*mine, within(Membership, first, None)):
        lines = (col(ReportingLine.user_id) == user_id, col(ReportingLine.department_id) == row.department_id)
        for line in await Lines().all(*lines, within(ReportingLine, first, None)):
            await end_before(Lines(), line, first)
        await end_before(Memberships(), row, first)
    made = Membership(user_id=user_id, department_id=body.department_id, position_id=body.position_id, valid_from=first)
    return await add_membership(made, main=True)


async def end_before(rows: Repository[Any], row: Any, day: date) -> None:
    """Let it end the day before. What has not begun by then was never to be."""
    if row.valid_from >= day:
        await rows.delete(row)
    else:
        await rows.change(row, {"valid_until": day - _ONE_DAY})


async def _check_position(position_id: UUID | None) -> None:
    if position_id is not None and await Positions().find(col(Position.id) == position_id) is None:
        raise invalid_field("position_id", f"There is no position with the id {position_id} here.", "unknown")


# -- heads and reporting lines ----------------------------------------------------------------------------------------


async def add_head(row: DepartmentHead) -> DepartmentHead:
    """A new head."""
    await check_people({"user_id": row.user_id})
    await Departments().check(row.department_id, "department_id")
    return await settle_head(await Heads().add(row))


async def settle_head(row: DepartmentHead) -> DepartmentHead:
    """See that the same person does not lead the same department twice."""
    check_span(row)
    where = (col(DepartmentHead.user_id) == row.user_id, col(DepartmentHead.department_id) == row.department_id)
    await check_free(Heads(), row, "They lead this department", *where)
    return row


async def add_line(row: ReportingLine) -> ReportingLine:
    """A new reporting line."""
    await check_people({"user_id": row.user_id, "manager_id": row.manager_id})
    await Departments().check(row.department_id, "department_id")
    return await settle_line(await Lines().add(row))


async def settle_line(row: ReportingLine) -> ReportingLine:
    """See that there is one manager at a time, and no way up that comes back.

    Raises:
        Conflict: naming the circle.
    """
    check_span(row)
    where = (col(ReportingLine.user_id) == row.user_id, col(ReportingLine.department_id) == row.department_id)
    if row.department_id is None:
        where = (where[0], col(ReportingLine.department_id).is_(None))
    await check_free(Lines(), row, "They report to somebody", *where)
    if await comes_back(row, _lines_of):
        error = FieldError("manager_id", "Choose somebody who does not report to them.", "cycle")
        raise Conflict("The manager reports to the person, directly or over others.", errors=[error])
    return row


async def _lines_of(user_id: UUID) -> Sequence[ReportingLine]:
    return await Lines().all(col(ReportingLine.user_id) == user_id)
