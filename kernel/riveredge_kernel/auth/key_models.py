"""Tables of programs that act in an organisation: service accounts and API keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime, tenant_fk


class ServiceAccount(KernelTenantModel, table=True):
    """Somebody who is a program: it belongs to one tenant, has roles there, and comes in with API keys only."""

    __tablename__ = "kernel_service_account"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    name: str = Field(max_length=100)
    description: str = Field(default="", max_length=1000)
    active: bool = True
    created_by_id: UUID | None = Field(default=None, description="The user or service account that made it.")


class ServiceAccountRole(KernelTenantModel, table=True):
    """A role that a service account holds."""

    __tablename__ = "kernel_service_account_role"
    __table_args__ = (
        UniqueConstraint("tenant_id", "account_id", "role_id"),
        tenant_fk("account_id", "kernel_service_account", ondelete="CASCADE"),
        tenant_fk("role_id", "kernel_role", ondelete="RESTRICT"),
    )

    account_id: UUID
    role_id: UUID


class ApiKey(KernelTenantModel, table=True):
    """A long-lived credential of a user or a service account in one tenant.

    Only the SHA-256 of the key is kept: it is 256 random bits, so that a slow hash would add nothing. It allows what
    both its `permissions` and its owner's roles allow at the time of the request.
    """

    __tablename__ = "kernel_api_key"
    portable = False
    __table_args__ = (
        tenant_fk("account_id", "kernel_service_account", ondelete="CASCADE"),
        CheckConstraint("(user_id IS NULL) <> (account_id IS NULL)", name="one_owner"),
    )

    user_id: UUID | None = Field(default=None, foreign_key="kernel_user.id", index=True)
    account_id: UUID | None = Field(default=None, index=True)
    name: str = Field(max_length=100)
    prefix: str = Field(max_length=20, unique=True, description="The key's beginning, by which people tell keys apart.")
    digest: str = Field(max_length=64, description="SHA-256 of the whole key, in hexadecimal.")
    permissions: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_by_id: UUID | None = None
    created_by_id: UUID | None = Field(default=None, description="The user or service account that made it.")
    rotated_from_id: UUID | None = Field(default=None, description="The key that it takes the place of.")
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="Give or take ten minutes.")
    last_used_from: str | None = Field(default=None, max_length=45, description="The address it came from then.")
