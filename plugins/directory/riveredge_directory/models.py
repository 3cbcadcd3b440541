"""Tables of the organisation. What depends on the day has its first and last one; what has ended stays as history."""

from datetime import date
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk


class Model(TenantModel, registry=plugin_registry("directory")):
    """Base of the directory plugin's tables."""


class Dated(Model):
    """What holds from a day to another, both included, in the tenant's zone; until further notice without the last."""

    valid_from: date
    valid_until: date | None = None


class Organisation(Model, table=True):
    """One row for each tenant. Who changes the organisation locks it: two changes together must not make a cycle."""

    __tablename__ = "directory_organisation"
    __table_args__ = (UniqueConstraint("tenant_id"),)


class Department(Model, table=True):
    """A department; the one without a parent is at the top. There may be several at the top."""

    __tablename__ = "directory_department"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        tenant_fk("parent_id", "directory_department", ondelete="RESTRICT"),
        Index("ix_directory_department_tenant_id_parent_id", "tenant_id", "parent_id"),
    )

    key: str = Field(max_length=100)
    name: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    parent_id: UUID | None = None
    order: int = Field(default=0, description="Its place among those beside it.")


class Position(Model, table=True):
    """What somebody is in a department: engineer, accountant."""

    __tablename__ = "directory_position"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)


class Membership(Dated, table=True):
    """Somebody belongs to a department."""

    __tablename__ = "directory_membership"
    __table_args__ = (
        tenant_fk("department_id", "directory_department", ondelete="CASCADE"),
        tenant_fk("position_id", "directory_position", ondelete="RESTRICT"),
        Index("ix_directory_membership_tenant_id_user_id", "tenant_id", "user_id"),
        Index("ix_directory_membership_tenant_id_department_id", "tenant_id", "department_id", "user_id"),
    )

    user_id: UUID
    department_id: UUID
    position_id: UUID | None = None
    main: bool = Field(default=False, description="One on each day, of the departments somebody belongs to.")


class DepartmentHead(Dated, table=True):
    """Somebody leads a department. The first in order counts where there can be only one."""

    __tablename__ = "directory_department_head"
    __table_args__ = (
        tenant_fk("department_id", "directory_department", ondelete="CASCADE"),
        Index("ix_directory_department_head_tenant_id_department_id", "tenant_id", "department_id"),
        Index("ix_directory_department_head_tenant_id_user_id", "tenant_id", "user_id"),
    )

    department_id: UUID
    user_id: UUID
    order: int = 0


class ReportingLine(Dated, table=True):
    """Somebody's manager: as a member of a department, or in general. It goes before the head of the department."""

    __tablename__ = "directory_reporting_line"
    __table_args__ = (
        tenant_fk("department_id", "directory_department", ondelete="CASCADE"),
        Index("ix_directory_reporting_line_tenant_id_user_id", "tenant_id", "user_id"),
        Index("ix_directory_reporting_line_tenant_id_manager_id", "tenant_id", "manager_id"),
    )

    user_id: UUID
    manager_id: UUID
    department_id: UUID | None = None


class Group(Model, table=True):
    """People, departments and other groups under one name."""

    __tablename__ = "directory_group"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    name: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)


class GroupMember(Dated, table=True):
    """A member of a group: exactly one of a person, a department and another group."""

    __tablename__ = "directory_group_member"
    __table_args__ = (
        tenant_fk("group_id", "directory_group", ondelete="CASCADE"),
        tenant_fk("department_id", "directory_department", ondelete="CASCADE"),
        tenant_fk("member_group_id", "directory_group", ondelete="CASCADE"),
        Index("ix_directory_group_member_tenant_id_group_id", "tenant_id", "group_id"),
        Index("ix_directory_group_member_tenant_id_user_id", "tenant_id", "user_id"),
    )

    group_id: UUID
    user_id: UUID | None = None
    department_id: UUID | None = None
    include_children: bool = Field(default=True, description="Of a department: those of the departments below, too.")
    member_group_id: UUID | None = None


class Absence(Dated, table=True):
    """Somebody is not there."""

    __tablename__ = "directory_absence"
    __table_args__ = (Index("ix_directory_absence_tenant_id_user_id", "tenant_id", "user_id"),)

    user_id: UUID
    note: str = Field(default="", max_length=500)


class Substitute(Model, table=True):
    """Who stands in during an absence."""

    __tablename__ = "directory_substitute"
    __table_args__ = (
        tenant_fk("absence_id", "directory_absence", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "absence_id", "user_id"),
        Index("ix_directory_substitute_tenant_id_user_id", "tenant_id", "user_id"),
    )

    absence_id: UUID
    user_id: UUID
    order: int = 0


MODELS = (
    Organisation,
    Department,
    Position,
    Membership,
    DepartmentHead,
    ReportingLine,
    Group,
    GroupMember,
    Absence,
    Substitute,
)
