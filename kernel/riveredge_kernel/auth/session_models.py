"""Tables of sign-ins: a session is one device of one user, its refresh tokens are one family."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel
from riveredge_sdk.models import UtcDateTime


class UserSession(KernelPlatformModel, table=True):
    """One sign-in. Access tokens name it, and stop working when it is revoked.

    `method` says how it began (`password`, `oidc`, `invitation`, …), `second_factor` whether one was shown. It ends by
    itself at `expires_at`, or when nothing has been refreshed until `idle_at`.
    """

    __tablename__ = "kernel_session"

    user_id: UUID = Field(foreign_key="kernel_user.id", index=True)
    acting_tenant_id: UUID | None = Field(
        default=None, foreign_key="kernel_tenant.id", ondelete="SET NULL", description="Where refreshed tokens act."
    )
    bound: bool = Field(default=False, description="It may act in that tenant only: its identity provider vouched.")
    method: str = Field(max_length=20)
    second_factor: bool = False
    user_agent: str = Field(default="", max_length=300)
    ip: str = Field(default="", max_length=45)
    last_used_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    idle_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_because: str | None = Field(default=None, max_length=40)


class RefreshToken(KernelPlatformModel, table=True):
    """A refresh token by its SHA-256. Used ones are kept: one that comes again has been stolen, or its follower was.

    The follower is made of the token itself and `salt`, so that the same token sent twice at once gives one follower.
    """

    __tablename__ = "kernel_refresh_token"

    session_id: UUID = Field(foreign_key="kernel_session.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    salt: str | None = Field(default=None, max_length=64)
