"""Stored answers for repeated requests."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from riveredge_kernel.db.base import KernelTenantModel
from riveredge_sdk.models import JsonType, UtcDateTime


class IdempotencyRecord(KernelTenantModel, table=True):
    """The answer to a request with an `Idempotency-Key`, committed together with what the request did."""

    __tablename__ = "kernel_idempotency"
    portable = False
    __table_args__ = (UniqueConstraint("tenant_id", "principal_id", "key"),)

    principal_id: UUID
    key: str = Field(max_length=255)
    fingerprint: str = Field(max_length=64, description="SHA-256 of method, path and body.")
    status: int
    headers: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    body: bytes
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
