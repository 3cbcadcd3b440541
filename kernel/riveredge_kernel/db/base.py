"""Base classes of the kernel's own tables, all called `kernel_…`."""

from uuid import UUID

from sqlalchemy import Uuid
from sqlmodel import Field

from riveredge_sdk.models import PlatformModel, TenantModel, plugin_registry

_registry = plugin_registry("kernel")


class KernelPlatformModel(PlatformModel, registry=_registry):
    """A kernel row that belongs to no tenant."""


class KernelTenantModel(TenantModel, registry=_registry):
    """A kernel row of one tenant."""


class KernelMixedModel(TenantModel, registry=_registry):
    """A kernel row of one tenant, or of the platform itself (`tenant_id` is None).

    Tenants see and write theirs only; the platform's are reached inside `system(reason)`.
    """

    tenant_id: UUID | None = Field(  # type: ignore[assignment]
        default=None, nullable=True, foreign_key="kernel_tenant.id", sa_type=Uuid
    )
