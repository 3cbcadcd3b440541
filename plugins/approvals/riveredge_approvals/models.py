"""Tables: processes and their versions; instances with visits, tasks, decisions and history."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from riveredge_sdk import TenantModel, plugin_registry, tenant_fk
from riveredge_sdk.models import JsonType, UtcDateTime
from riveredge_sdk.secrets import SealedText


class Model(TenantModel, registry=plugin_registry("approvals")):
    """Base of the approvals plugin's tables."""


class InstanceStatus(StrEnum):
    """Where an instance stands. `draft` waits for its submitter: after a return to the start, too."""

    DRAFT = "draft"
    RUNNING = "running"
    SUSPENDED = "suspended"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"
    REVOKED = "revoked"


# Those in which nothing more is decided.
ENDED = frozenset(
    {
        InstanceStatus.APPROVED,
        InstanceStatus.REJECTED,
        InstanceStatus.WITHDRAWN,
        InstanceStatus.TERMINATED,
        InstanceStatus.REVOKED,
    }
)


class VisitStatus(StrEnum):
    """What became of one visit of a node."""

    ACTIVE = "active"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    INCIDENT = "incident"


# A token stands on these.
OPEN_VISITS = frozenset({VisitStatus.ACTIVE, VisitStatus.INCIDENT})


class TaskState(StrEnum):
    """What became of one person's task. `reason` says why it is `closed`; `waiting`: others come first."""

    PENDING = "pending"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    ABSTAINED = "abstained"
    RETURNED = "returned"
    TRANSFERRED = "transferred"
    DELEGATED = "delegated"
    CLOSED = "closed"
    TIMED_OUT = "timed_out"


OPEN_TASKS = frozenset({TaskState.PENDING, TaskState.WAITING, TaskState.DELEGATED})
_OPEN_TASK = text("state IN ('pending', 'waiting', 'delegated')")
_RUNNING = text("status IN ('running', 'suspended')")


class Process(Model, table=True):
    """A kind of request. `draft` is the drawing being worked on, at its revision `draft_rev`."""

    __tablename__ = "approvals_process"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    category: str = Field(default="", max_length=100)
    icon: str = Field(default="", max_length=100)
    draft: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    draft_rev: int = 1
    form_schema: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    published: int | None = Field(default=None, description="The version that new instances run on.")
    last_version: int = 0
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProcessVersion(Model, table=True):
    """A published drawing with its form; never changed."""

    __tablename__ = "approvals_process_version"
    __table_args__ = (
        UniqueConstraint("tenant_id", "process_id", "number"),
        tenant_fk("process_id", "approvals_process", ondelete="RESTRICT"),
    )

    process_id: UUID
    number: int
    diagram: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    form_schema: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    compiled: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    checksum: str = Field(max_length=80)
    note: str = Field(default="", max_length=2000)
    published_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    published_by: UUID | None = None


class Instance(Model, table=True):
    """One request on its way. `rev` counts what `advance` did; `form_rev` what was written into the form."""

    __tablename__ = "approvals_instance"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        tenant_fk("version_id", "approvals_process_version", ondelete="RESTRICT"),
        tenant_fk("process_id", "approvals_process", ondelete="RESTRICT"),
        Index("ix_approvals_instance_tenant_id_process_id", "tenant_id", "process_id"),
        Index("ix_approvals_instance_tenant_id_submitter_id", "tenant_id", "submitter_id", "created_at"),
        Index("ix_approvals_instance_running", "tenant_id", postgresql_where=_RUNNING, sqlite_where=_RUNNING),
        Index("ix_approvals_instance_tenant_id_subject", "tenant_id", "subject_type", "subject_id"),
    )

    process_id: UUID
    version_id: UUID
    number: str = Field(max_length=100, description="The serial number that people name it by.")
    title: str = Field(max_length=300)
    summary: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    subject_type: str | None = Field(default=None, max_length=100)
    subject_id: str | None = Field(default=None, max_length=100)
    form: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    form_rev: int = 1
    submitter_id: UUID
    department_id: UUID | None = None
    choices: dict[str, list[str]] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    status: str = Field(default=InstanceStatus.RUNNING, max_length=20)
    outcome_note: str = Field(default="", max_length=500)
    rev: int = 0
    inputs: int = Field(default=0, description="How many there have been; the last one's sequence number.")
    events: int = Field(default=0, description="How many entries its history has.")
    head: str = Field(default="", max_length=64, description="The hash of the last of them.")
    resubmit_to: str | None = Field(default=None, max_length=64, description="Where a direct resubmission goes.")
    parent_id: UUID | None = None
    parent_visit_id: UUID | None = None
    depth: int = 0
    run_id: str | None = Field(default=None, max_length=64)
    urged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    submitted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class FormRevision(Model, table=True):
    """The form as it was: what decisions were made on."""

    __tablename__ = "approvals_form_revision"
    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id", "number"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
    )

    instance_id: UUID
    number: int
    form: dict[str, Any] = Field(sa_type=JsonType, nullable=False)
    changed_by: UUID | None = None
    node: str | None = Field(default=None, max_length=64)


class Visit(Model, table=True):
    """One token's stay on a node.

    Attributes:
        scope: the forks around it: `[[fork visit's id, branch], …]`, outermost first.
        entered_by, edges: the edge it came by, and those that it left by.
        data: what the kind of node keeps: a fork's branches, a join's arrivals, values of conditions, traces.
    """

    __tablename__ = "approvals_visit"
    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id", "seq"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
    )

    instance_id: UUID
    seq: int = Field(description="The order in which the instance's visits were opened.")
    node: str = Field(max_length=64)
    kind: str = Field(max_length=20)
    number: int = Field(description="1 for the first visit of this node.")
    status: str = Field(default=VisitStatus.ACTIVE, max_length=20)
    outcome: str | None = Field(default=None, max_length=20)
    scope: list[list[Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    entered_by: str | None = Field(default=None, max_length=64)
    edges: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    opened_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Task(Model, table=True):
    """What one person is asked on one visit.

    Attributes:
        origin: `rule`, `pool` (whoever is first takes it), `added`, `transfer`, `delegate`, `escalation`, `admin`,
            `recall`, `handover`.
        part: `seat` counts in the node's tally; `before` and `after` come around the parent's decision; `delegate`
            gives the parent an opinion.
        parent_id: the task it came from.
        principal_id: for whom the assignee stands in, if somebody is absent.
        seq: its place in a sequence.
        hops: how often it was handed on. depth: how deep it was added.
        trace: why this person, line by line.
    """

    __tablename__ = "approvals_task"
    __table_args__ = (
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        tenant_fk("visit_id", "approvals_visit", ondelete="CASCADE"),
        Index("ix_approvals_task_tenant_id_instance_id", "tenant_id", "instance_id"),
        Index("ix_approvals_task_tenant_id_visit_id", "tenant_id", "visit_id"),
        Index("ix_approvals_task_tenant_id_assignee_id", "tenant_id", "assignee_id", "created_at"),
        Index(
            "ix_approvals_task_open",
            "tenant_id",
            "assignee_id",
            postgresql_where=_OPEN_TASK,
            sqlite_where=_OPEN_TASK,
        ),
    )

    instance_id: UUID
    visit_id: UUID
    node: str = Field(max_length=64)
    assignee_id: UUID
    principal_id: UUID | None = None
    origin: str = Field(default="rule", max_length=20)
    part: str = Field(default="seat", max_length=20)
    parent_id: UUID | None = None
    seq: int = 0
    weight: int = 1
    depth: int = 0
    hops: int = 0
    state: str = Field(default=TaskState.PENDING, max_length=20)
    reason: str | None = Field(default=None, max_length=40)
    trace: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    opened_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Decision(Model, table=True):
    """What somebody decided: one for each task, never changed."""

    __tablename__ = "approvals_decision"
    __table_args__ = (
        UniqueConstraint("tenant_id", "task_id"),
        tenant_fk("task_id", "approvals_task", ondelete="CASCADE"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        Index("ix_approvals_decision_tenant_id_instance_id", "tenant_id", "instance_id"),
    )

    instance_id: UUID
    visit_id: UUID
    task_id: UUID
    decided_by: UUID | None = None
    outcome: str = Field(max_length=20)
    comment: str = Field(default="", max_length=4000)
    form_rev: int
    via: str = Field(default="api", max_length=20, description="api, bulk, mail, auto, timeout or admin.")
    signature: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    at: datetime = Field(sa_type=UtcDateTime, nullable=False)


class Input(Model, table=True):
    """Something that an instance has to take in, in its order."""

    __tablename__ = "approvals_input"
    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id", "seq"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
    )

    instance_id: UUID
    seq: int
    kind: str = Field(max_length=40)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    applied_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class HistoryEntry(Model, table=True):
    """One line of an instance's history. `hash` covers the line and the hash before it (see `history`)."""

    __tablename__ = "approvals_event"
    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id", "seq"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
    )

    instance_id: UUID
    seq: int
    kind: str = Field(max_length=40)
    actor_id: UUID | None = None
    node: str | None = Field(default=None, max_length=64)
    visit_id: UUID | None = None
    task_id: UUID | None = None
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    prev_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class Comment(Model, table=True):
    """What somebody said about an instance. `mentions` are told; `attachments` are ids of files."""

    __tablename__ = "approvals_comment"
    __table_args__ = (
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        Index("ix_approvals_comment_tenant_id_instance_id", "tenant_id", "instance_id"),
    )

    instance_id: UUID
    author_id: UUID | None = None
    task_id: UUID | None = None
    text: str = Field(max_length=4000)
    mentions: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    attachments: list[dict[str, Any]] = Field(default_factory=list, sa_type=JsonType, nullable=False)


class CarbonCopy(Model, table=True):
    """Somebody who is to know."""

    __tablename__ = "approvals_cc"
    __table_args__ = (
        UniqueConstraint("tenant_id", "instance_id", "user_id", "visit_id"),
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        Index("ix_approvals_cc_tenant_id_user_id", "tenant_id", "user_id", "created_at"),
    )

    instance_id: UUID
    user_id: UUID
    visit_id: UUID | None = None
    node: str | None = Field(default=None, max_length=64)
    sent_by: UUID | None = None
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Delegation(Model, table=True):
    """Somebody stands in for somebody else for a time, in one process or in all."""

    __tablename__ = "approvals_delegation"
    __table_args__ = (
        tenant_fk("process_id", "approvals_process", ondelete="CASCADE"),
        Index("ix_approvals_delegation_tenant_id_user_id", "tenant_id", "user_id"),
    )

    user_id: UUID
    substitute_id: UUID
    process_id: UUID | None = None
    starts_at: datetime = Field(sa_type=UtcDateTime, nullable=False)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str = Field(default="", max_length=500)


class Connection(Model, table=True):
    """How another system is reached. `headers` is a sealed JSON object, `header_names` what may be shown of it."""

    __tablename__ = "approvals_connection"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: str = Field(max_length=100)
    title: str = Field(max_length=200)
    base_url: str = Field(max_length=2000)
    headers: str | None = Field(default=None, sa_type=SealedText)
    header_names: list[str] = Field(default_factory=list, sa_type=JsonType, nullable=False)
    signing_secret: str | None = Field(default=None, sa_type=SealedText)

    @property
    def signs(self) -> bool:
        """Whether its calls are signed."""
        return self.signing_secret is not None


class Link(Model, table=True):
    """An address that was given out for one thing: to decide on a task (`decide`), or to call back (`callback`)."""

    __tablename__ = "approvals_link"
    __table_args__ = (
        tenant_fk("instance_id", "approvals_instance", ondelete="CASCADE"),
        tenant_fk("visit_id", "approvals_visit", ondelete="CASCADE"),
        tenant_fk("task_id", "approvals_task", ondelete="CASCADE"),
        Index("ix_approvals_link_tenant_id_visit_id", "tenant_id", "visit_id"),
    )

    purpose: str = Field(max_length=20)
    instance_id: UUID
    visit_id: UUID
    task_id: UUID | None = None
    user_id: UUID | None = None
    round: int = 0
    secret: str = Field(sa_type=SealedText)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False)


class Serial(Model, table=True):
    """The last serial number of a series, such as that of a process in a year."""

    __tablename__ = "approvals_serial"
    __table_args__ = (UniqueConstraint("tenant_id", "series"),)

    series: str = Field(max_length=100)
    last: int = 0


MODELS = (
    Process,
    ProcessVersion,
    Instance,
    FormRevision,
    Visit,
    Task,
    Decision,
    Input,
    HistoryEntry,
    Comment,
    CarbonCopy,
    Delegation,
    Connection,
    Link,
    Serial,
)
