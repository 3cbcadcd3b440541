"""Tables of identity providers, of the people known there, and of sign-ins under way."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelTenantModel
from riveredge_sdk.models import SECRET, JsonType, UtcDateTime, tenant_fk


class IdentityProvider(KernelTenantModel, table=True):
    """An OpenID provider that a tenant trusts to say who its people are: in this tenant, and nowhere else."""

    __tablename__ = "kernel_identity_provider"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=63, description="Its name in addresses; it never changes.")
    title: str = Field(max_length=200)
    issuer: str = Field(max_length=500)
    client_id: str = Field(max_length=500)
    client_secret: str | None = Field(default=None, sa_column_kwargs=SECRET, description="Encrypted.")
    scopes: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    active: bool = True
    link_by_email: bool = True
    trusts_email: bool = False
    provisions: bool = False
    email_domains: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    groups_claim: str = Field(default="groups", max_length=200)
    group_roles: list[dict[str, str]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    default_roles: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)


class Identity(KernelTenantModel, table=True):
    """A user, as a provider knows them. `subject` is the provider's own id; it never changes, unlike an address."""

    __tablename__ = "kernel_identity"
    __table_args__ = (
        UniqueConstraint("tenant_id", "provider_id", "subject"),
        UniqueConstraint("tenant_id", "provider_id", "user_id"),
        tenant_fk("provider_id", "kernel_identity_provider", ondelete="CASCADE"),
    )

    provider_id: UUID
    user_id: UUID = Field(foreign_key="kernel_user.id", index=True)
    subject: str = Field(max_length=255)
    email: str = Field(default="", max_length=254, description="As the provider said when they were linked.")
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class OidcAttempt(KernelTenantModel, table=True):
    """A sign-in under way, good for one answer of the provider and then for one exchange of the ticket."""

    __tablename__ = "kernel_oidc_attempt"
    portable = False
    __table_args__ = (tenant_fk("provider_id", "kernel_identity_provider", ondelete="CASCADE"),)

    provider_id: UUID
    state_digest: str = Field(max_length=64, unique=True)
    secret_digest: str = Field(max_length=64, description="Of what only the client that began it knows.")
    nonce: str = Field(max_length=100)
    code_verifier: str = Field(max_length=500, description="Encrypted.")
    redirect_to: str = Field(max_length=2000)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ticket_digest: str | None = Field(default=None, max_length=64, unique=True)
    user_id: UUID | None = Field(default=None, foreign_key="kernel_user.id", ondelete="CASCADE")
