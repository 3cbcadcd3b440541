"""What the plugin holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from riveredge_directory.models import (
    Absence,
    Dated,
    DepartmentHead,
    GroupMember,
    Membership,
    ReportingLine,
    Substitute,
)
from riveredge_directory.repository import (
    Absences,
    Departments,
    GroupMembers,
    Groups,
    Heads,
    Lines,
    Memberships,
    Positions,
    Substitutes,
)
from riveredge_sdk import session


async def export(user_id: UUID) -> dict[str, Any]:
    """Where a person belonged, what they led, whom they reported to, their groups and absences, as JSON."""
    names: dict[UUID | None, str | None] = {
        row.id: row.key for rows in (Departments(), Positions(), Groups()) for row in await rows.all()
    }
    names[None] = None
    own = await Absences().all(col(Absence.user_id) == user_id)
    return {
        "memberships": [
            {"department": names[row.department_id], "position": names[row.position_id], "main": row.main} | _span(row)
            for row in await Memberships().all(col(Membership.user_id) == user_id)
        ],
        "leads": [
            {"department": names[row.department_id]} | _span(row)
            for row in await Heads().all(col(DepartmentHead.user_id) == user_id)
        ],
        "reports_to": [
            {"manager": str(row.manager_id), "department": names[row.department_id]} | _span(row)
            for row in await Lines().all(col(ReportingLine.user_id) == user_id)
        ],
        "groups": [
            {"group": names[row.group_id]} | _span(row)
            for row in await GroupMembers().all(col(GroupMember.user_id) == user_id)
        ],
        "absences": [{"note": row.note} | _span(row) for row in own],
        "stands_in_for": len(await Substitutes().all(col(Substitute.user_id) == user_id)),
    }


async def erase(user_id: UUID) -> int:
    """Take the person out of everything, of the history, too."""
    count = 0
    theirs: tuple[tuple[Any, str], ...] = (
        (Membership, "user_id"),
        (DepartmentHead, "user_id"),
        (ReportingLine, "user_id"),
        (ReportingLine, "manager_id"),
        (GroupMember, "user_id"),
        (Substitute, "user_id"),
        (Absence, "user_id"),
    )
    for model, name in theirs:
        found = await session().exec(delete(model).where(getattr(model, name) == user_id))
        count += found.rowcount
    return count


def _span(row: Dated) -> dict[str, Any]:
    until = row.valid_until.isoformat() if row.valid_until is not None else None
    return {"valid_from": row.valid_from.isoformat(), "valid_until": until}
