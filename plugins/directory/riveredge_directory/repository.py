"""Access to the plugin's rows, and to those that hold on a day."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from riveredge_directory.models import (
    Absence,
    Dated,
    Department,
    DepartmentHead,
    Group,
    GroupMember,
    Membership,
    Position,
    ReportingLine,
    Substitute,
)
from riveredge_sdk import FilterField, Repository
from riveredge_sdk.problems import invalid_field


def on(model: type[Dated], day: date) -> ColumnElement[bool]:
    """Rows that hold on a day."""
    return and_(col(model.valid_from) <= day, or_(col(model.valid_until).is_(None), col(model.valid_until) >= day))


def within(model: type[Dated], first: date, last: date | None) -> ColumnElement[bool]:
    """Rows that hold on some day of a span."""
    not_before = or_(col(model.valid_until).is_(None), col(model.valid_until) >= first)
    return not_before if last is None else and_(not_before, col(model.valid_from) <= last)


def _dated(model: Any) -> tuple[FilterField, FilterField]:
    return (
        FilterField("valid_from", "date", model.valid_from),
        FilterField("valid_until", "date", model.valid_until),
    )


def _id_or_key(ref: str) -> UUID | str:
    try:
        return UUID(ref)
    except ValueError:
        return ref


class Departments(Repository[Department]):
    """Departments."""

    model = Department
    fields = (
        FilterField("key", "text", Department.key),
        FilterField("name", "text", Department.name),
        FilterField("parent_id", "uuid", Department.parent_id),
        FilterField("order", "integer", Department.order),
    )
    default_sort = "order,key"

    async def named(self, ref: str) -> Department | None:
        """By its id, as text, or its key."""
        return (await self.all_named([ref])).get(ref)

    async def all_named(self, refs: Collection[str]) -> Mapping[str, Department]:
        """Those that there are, by their reference: an id, as text, or a key."""
        if not refs:
            return {}
        wanted = {ref: _id_or_key(ref) for ref in refs}
        ids = [each for each in wanted.values() if isinstance(each, UUID)]
        keys = [each for each in wanted.values() if isinstance(each, str)]
        rows = await self.all(or_(col(Department.id).in_(ids), col(Department.key).in_(keys)))
        found: dict[UUID | str, Department] = {row.id: row for row in rows} | {row.key: row for row in rows}
        return {ref: found[each] for ref, each in wanted.items() if each in found}

    async def check(self, department_id: UUID | None, field: str) -> None:
        """Raise `Invalid` about the field if it names no department."""
        if department_id is not None and await self.find(col(Department.id) == department_id) is None:
            raise invalid_field(field, f"There is no department with the id {department_id} here.", "unknown")


class Positions(Repository[Position]):
    """Positions."""

    model = Position
    fields = (FilterField("key", "text", Position.key), FilterField("title", "text", Position.title))
    default_sort = "key"


class Memberships(Repository[Membership]):
    """Who belongs where."""

    model = Membership
    fields = (
        FilterField("user_id", "uuid", Membership.user_id),
        FilterField("department_id", "uuid", Membership.department_id),
        FilterField("position_id", "uuid", Membership.position_id),
        FilterField("main", "boolean", Membership.main),
        *_dated(Membership),
    )
    default_sort = "valid_from"


class Heads(Repository[DepartmentHead]):
    """Who leads departments."""

    model = DepartmentHead
    fields = (
        FilterField("user_id", "uuid", DepartmentHead.user_id),
        FilterField("department_id", "uuid", DepartmentHead.department_id),
        FilterField("order", "integer", DepartmentHead.order),
        *_dated(DepartmentHead),
    )
    default_sort = "order"


class Lines(Repository[ReportingLine]):
    """Who reports to whom."""

    model = ReportingLine
    fields = (
        FilterField("user_id", "uuid", ReportingLine.user_id),
        FilterField("manager_id", "uuid", ReportingLine.manager_id),
        FilterField("department_id", "uuid", ReportingLine.department_id),
        *_dated(ReportingLine),
    )
    default_sort = "valid_from"


class Groups(Repository[Group]):
    """Groups."""

    model = Group
    fields = (FilterField("key", "text", Group.key), FilterField("name", "text", Group.name))
    default_sort = "key"


class GroupMembers(Repository[GroupMember]):
    """What groups consist of."""

    model = GroupMember
    fields = (
        FilterField("user_id", "uuid", GroupMember.user_id),
        FilterField("department_id", "uuid", GroupMember.department_id),
        FilterField("member_group_id", "uuid", GroupMember.member_group_id),
        *_dated(GroupMember),
    )
    default_sort = "created_at"


class Absences(Repository[Absence]):
    """Who is not there."""

    model = Absence
    fields = (FilterField("user_id", "uuid", Absence.user_id), *_dated(Absence))
    default_sort = "valid_from"


class Substitutes(Repository[Substitute]):
    """Who stands in."""

    model = Substitute
