"""Tables of tenants."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel, KernelTenantModel
from riveredge_sdk.models import SECRET, JsonType, UtcDateTime


class TenantStatus(StrEnum):
    """`suspended`: nobody of it gets in, and none of its functions run.

    `deleting`: the same, until `delete_at`; whoever may delete it can take that back. `erasing`: nobody can any more.
    `deleted`: its data are gone, and the row stays as a tombstone.
    """

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    ERASING = "erasing"
    DELETED = "deleted"


class Tenant(KernelPlatformModel, table=True):
    """An organisation. `slug` is its name in addresses and headers."""

    __tablename__ = "kernel_tenant"

    slug: str = Field(max_length=63, unique=True)
    name: str = Field(max_length=200)
    status: str = Field(default=TenantStatus.ACTIVE, max_length=20)
    locale: str = Field(default="en", max_length=35)
    timezone: str = Field(default="UTC", max_length=64)
    delete_at: datetime | None = Field(default=None, sa_type=UtcDateTime, description="When its data are erased.")
    deletion_claimed_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="When the tick handed the deletion over."
    )
    erased: dict[str, Any] = Field(
        default_factory=dict,
        sa_type=JsonType,
        nullable=False,
        description="While it is erased: by table, how many rows are gone, counted where they go.",
    )
    imported_from: str | None = Field(default=None, max_length=40, description="When the archive was made.")
    quotas: dict[str, Any] = Field(
        default_factory=dict, sa_type=JsonType, nullable=False, description="Limits by quota's id; null for none."
    )


class TenantPlugin(KernelTenantModel, table=True):
    """A tenant's switch of one plugin; where there is none, the plugin's own default holds."""

    __tablename__ = "kernel_tenant_plugin"
    __table_args__ = (UniqueConstraint("tenant_id", "plugin"),)

    plugin: str = Field(max_length=63)
    enabled: bool


class TenantSettingsRow(KernelTenantModel, table=True):
    """A tenant's settings of one plugin. `secrets` is one encrypted JSON object of the secret fields."""

    __tablename__ = "kernel_tenant_settings"
    __table_args__ = (UniqueConstraint("tenant_id", "plugin"),)

    plugin: str = Field(max_length=63)
    values: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    secrets: str | None = Field(default=None, sa_column_kwargs=SECRET)
