"""Tables of people and what they may do."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel, KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime, tenant_fk


class User(KernelPlatformModel, table=True):
    """A person. One user may be a member of several tenants. `email` is kept in lower case."""

    __tablename__ = "kernel_user"

    email: str = Field(max_length=254, unique=True)
    name: str = Field(default="", max_length=200)
    password_hash: str | None = Field(default=None, max_length=200)
    active: bool = True
    locale: str | None = Field(default=None, max_length=35)
    timezone: str | None = Field(default=None, max_length=64)
    email_verified_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="A mail to the address was answered, or an operator vouched."
    )


class Membership(KernelTenantModel, table=True):
    """A user in a tenant."""

    __tablename__ = "kernel_membership"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    user_id: UUID = Field(foreign_key="kernel_user.id", index=True)
    active: bool = True


class RoleRow(KernelTenantModel, table=True):
    """A role of a tenant: a named set of permissions."""

    __tablename__ = "kernel_role"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    permissions: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)


class MembershipRole(KernelTenantModel, table=True):
    """A role that a member holds."""

    __tablename__ = "kernel_membership_role"
    __table_args__ = (
        UniqueConstraint("tenant_id", "membership_id", "role_id"),
        tenant_fk("membership_id", "kernel_membership", ondelete="CASCADE"),
        tenant_fk("role_id", "kernel_role", ondelete="RESTRICT"),
    )

    membership_id: UUID
    role_id: UUID
