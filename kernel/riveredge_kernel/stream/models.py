"""Tables of the live stream."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime


class StreamChannel(KernelTenantModel, table=True):
    """A topic, or a topic's channel for one user or object: the number of its last push.

    Numbers have no gaps and grow in the order of the commits, because whoever takes one holds this row until then.
    A new channel begins at the time in milliseconds: one that is made again after it was forgotten repeats no number.
    """

    __tablename__ = "kernel_stream_channel"
    portable = False
    __table_args__ = (UniqueConstraint("tenant_id", "topic", "key"),)

    topic: str = Field(max_length=100)
    key: str = Field(default="", max_length=100)
    seq: int = Field(sa_type=BigInteger)


class StreamMessage(KernelTenantModel, table=True):
    """A push, kept for those who were away."""

    __tablename__ = "kernel_stream_message"
    portable = False
    __table_args__ = (UniqueConstraint("tenant_id", "topic", "key", "seq"),)

    created_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
    topic: str = Field(max_length=100)
    key: str = Field(default="", max_length=100)
    seq: int = Field(sa_type=BigInteger)
    what: str = Field(max_length=40)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)


class StreamTicket(KernelTenantModel, table=True):
    """A ticket that has not been used yet. What it is good for is in the ticket itself, sealed."""

    __tablename__ = "kernel_stream_ticket"
    portable = False

    digest: str = Field(max_length=64, unique=True)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
