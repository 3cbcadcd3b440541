"""The table of counters."""

from datetime import datetime

from sqlmodel import Field

from riveredge_kernel.db.base import KernelPlatformModel
from riveredge_sdk.models import UtcDateTime


class LimitCounter(KernelPlatformModel, table=True):
    """How often something has happened since its window began. Keys are hashed: addresses are nobody's business."""

    __tablename__ = "kernel_limit"

    key_hash: str = Field(max_length=64, unique=True)
    hits: int
    ends_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)
