"""Tables of people's own addresses and devices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_messaging.models import Model
from riveredge_sdk import PlatformModel, plugin_registry, utcnow
from riveredge_sdk.models import UtcDateTime
from riveredge_sdk.secrets import SealedText


class Address(Model, table=True):
    """A person's address on a channel, such as a phone number. A new one replaces it once it has been proved."""

    __tablename__ = "messaging_address"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "channel"),)

    user_id: UUID
    channel: str = Field(max_length=100)
    address: str | None = Field(default=None, max_length=200)
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    pending: str | None = Field(default=None, max_length=200, description="To be proved by a code that is sent there.")
    code_digest: str | None = Field(default=None, max_length=64)
    code_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=500, description="Why the last code could not be sent.")


PUSH = "messaging.push"
# Browsers; all other devices name a provider of the channel.
WEB_PUSH = "messaging.web_push"


class Device(Model, table=True):
    """A browser or an app that a person lets notify them. How it is reached is as good as a key, so it is sealed."""

    __tablename__ = "messaging_device"
    __table_args__ = (
        UniqueConstraint("tenant_id", "digest"),
        Index("ix_messaging_device_tenant_id_user_id", "tenant_id", "user_id"),
    )

    user_id: UUID
    title: str = Field(default="", max_length=200)
    provider: str = Field(default=WEB_PUSH, max_length=100)
    app: str = Field(default="", max_length=200, description="The Firebase project, or the bundle; empty: not said.")
    environment: str = Field(default="production", max_length=20)
    service: str = Field(max_length=255, description="The host of the browser's push service.")
    digest: str = Field(max_length=64, description="Of how it is reached, so that it is kept once.")
    subscription: str = Field(sa_type=SealedText, description="A browser's subscription, or an app's token; JSON.")
    registered_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, nullable=False)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class _OfInstallation(PlatformModel, registry=plugin_registry("messaging")):
    """Base of what belongs to no organisation."""


class PushKey(_OfInstallation, table=True):
    """The key by which push services know this installation, where no setting gives one. One row."""

    __tablename__ = "messaging_push_key"
    __table_args__ = (UniqueConstraint("name"),)

    name: str = Field(default="vapid", max_length=20)
    private_key: str = Field(sa_type=SealedText)
