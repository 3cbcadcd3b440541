"""Tables of handovers: whose tasks go to whom, and what came of each."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from riveredge_approvals.jobs.models import JobRow
from riveredge_approvals.models import Model
from riveredge_sdk import tenant_fk
from riveredge_sdk.models import JsonType


class Handover(JobRow, table=True):
    """Somebody's open tasks are given to somebody else, or to whom the rules of their nodes find.

    Attributes:
        to_id: None for the rules.
        process_id: only tasks of this process.
    """

    __tablename__ = "approvals_handover"
    __table_args__ = (
        tenant_fk("process_id", "approvals_process", ondelete="CASCADE"),
        Index("ix_approvals_handover_tenant_id_user_id", "tenant_id", "user_id"),
    )

    user_id: UUID
    to_id: UUID | None = None
    process_id: UUID | None = None
    reason: str = Field(default="", max_length=500)

    @property
    def handed(self) -> int:
        """How many tasks have gone over."""
        return self.done - self.kept

    @property
    def waiting(self) -> int:
        """How many it has not come to."""
        return self.total - self.done


class HandoverItem(Model, table=True):
    """What came of one task: `state` is waiting, done or refused, `message` why it was refused."""

    __tablename__ = "approvals_handover_item"
    __table_args__ = (
        tenant_fk("handover_id", "approvals_handover", ondelete="CASCADE"),
        tenant_fk("task_id", "approvals_task", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "handover_id", "task_id"),
        Index("ix_approvals_handover_item_tenant_id_task_id", "tenant_id", "task_id"),
    )

    handover_id: UUID
    task_id: UUID
    instance_id: UUID
    state: str = Field(default="waiting", max_length=20)
    message: str = Field(default="", max_length=500)
    to_ids: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)


HANDOVER_MODELS = (Handover, HandoverItem)
