"""Tables of tenants."""

from enum import StrEnum
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel, KernelTenantModel
from riveredge_sdk.models import JsonType


class TenantStatus(StrEnum):
    """`suspended`: nobody of it gets in, and none of its functions run."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(KernelPlatformModel, table=True):
    """An organisation. `slug` is its name in addresses and headers."""

    __tablename__ = "kernel_tenant"

    slug: str = Field(max_length=63, unique=True)
    name: str = Field(max_length=200)
    status: str = Field(default=TenantStatus.ACTIVE, max_length=20)
    locale: str = Field(default="en", max_length=35)
    timezone: str = Field(default="UTC", max_length=64)


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
    secrets: str | None = None
