"""A small company for the demo: three departments with heads, a manager by name, a group, and somebody who is away."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from riveredge_directory import absences, groups, service
from riveredge_directory.group_schemas import OwnAbsenceIn
from riveredge_directory.models import (
    Department,
    DepartmentHead,
    Group,
    GroupMember,
    Membership,
    Position,
    ReportingLine,
)
from riveredge_directory.repository import Groups, Positions
from riveredge_directory.turns import day_of, take_turn


async def fill(people: Mapping[str, UUID]) -> None:
    """The company, with those of the demo's people who are there."""
    if not {"ada", "lin", "max", "wei"} <= people.keys():
        return
    ada, lin, max_, wei = (people[name] for name in ("ada", "lin", "max", "wei"))
    await take_turn()
    today = day_of()
    engineer = await Positions().add(Position(key="engineer", title="Engineer 工程师"))
    company = await _department("company", "Demo Company", None, ada)
    engineering = await _department("engineering", "Engineering 研发部", company, lin)
    finance = await _department("finance", "Finance 财务部", company, max_)
    for user, department, position in (
        (ada, company, None),
        (lin, engineering, engineer.id),
        (max_, finance, None),
        (wei, engineering, engineer.id),
    ):
        row = Membership(user_id=user, department_id=department.id, position_id=position, valid_from=today)
        await service.add_membership(row, main=True)
    # In finance, too, where somebody else than its head is the manager.
    also = Membership(user_id=wei, department_id=finance.id, valid_from=today)
    await service.add_membership(also, main=False)
    line = ReportingLine(user_id=wei, manager_id=ada, department_id=finance.id, valid_from=today)
    await service.add_line(line)

    council = await Groups().add(Group(key="works-council", name="Works council 职工委员会"))
    await groups.add_member(GroupMember(group_id=council.id, user_id=lin, valid_from=today))
    await groups.add_member(GroupMember(group_id=council.id, department_id=finance.id, valid_from=today))
    away = OwnAbsenceIn(valid_from=today, valid_until=today + timedelta(days=13), note="Holiday", substitutes=[ada])
    await absences.add(max_, away)


async def _department(key: str, name: str, above: Department | None, head: UUID) -> Department:
    row = Department(key=key, name=name, parent_id=above.id if above is not None else None)
    await service.add_department(row)
    await service.add_head(DepartmentHead(department_id=row.id, user_id=head, valid_from=day_of()))
    return row
