"""What happens to instances, for the plugin's own functions. The public events are the SDK's."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.effects.templates import Kind
from riveredge_sdk import EventType
from riveredge_sdk.features.approvals import (
    EFFECT_COMPENSATE,
    INSTANCE_CLOSED,
    INSTANCE_STARTED,
    TASK_CLOSED,
    TASK_OPENED,
    InstanceChanged,
)


class InstanceRef(BaseModel):
    """An instance; `rev` is what it had come to."""

    instance_id: UUID
    rev: int = 0


class VisitDue(BaseModel):
    """A timer of a visit: its reminder for the `count`-th time, its deadline, or the end of its delay."""

    instance_id: UUID
    visit_id: UUID
    name: str
    count: int = 1


class EffectDue(BaseModel):
    """An attempt at a visit's effect. `round` counts how often the effect was begun."""

    instance_id: UUID
    visit_id: UUID
    round: int
    attempt: int = 1


class VisitRef(BaseModel):
    """A visit; `round` counts how often what it is for was begun."""

    instance_id: UUID
    visit_id: UUID
    round: int


class ChildClosed(BaseModel):
    """A visit that waits for a child, which has ended."""

    instance_id: UUID
    visit_id: UUID
    child_id: UUID


class Notice(BaseModel):
    """Something that people are to be told. `key` makes it one message; about a task only while that is pending."""

    kind: Kind
    to: list[UUID]
    key: str
    node: str | None = None
    task_id: UUID | None = None
    urgent: bool = False
    data: dict[str, Any] = Field(default_factory=dict)


class NoticesDue(BaseModel):
    """What people are to be told of an instance; messages about `closed` tasks are taken back."""

    instance_id: UUID
    notices: list[Notice]
    closed: list[UUID]


class JobRef(BaseModel):
    """A job that goes on over many requests: a handover, a migration, a rehearsal."""

    job_id: UUID


class FileRef(BaseModel):
    """A file that was handed in."""

    file_id: UUID


REHEARSAL_DUE = EventType("approvals/rehearsal.due", JobRef, "A draft is to be rehearsed", internal=True)
INPUT_GIVEN = EventType("approvals/input.given", InstanceRef, "An instance has something to take in", internal=True)
WATCH_CONTINUED = EventType(
    "approvals/watch.continued", InstanceChanged, "Another run watches over an instance", internal=True
)
VISIT_DUE = EventType("approvals/visit.due", VisitDue, "A reminder, a deadline or a delay has come", internal=True)
NOTICES_DUE = EventType("approvals/notices.due", NoticesDue, "People are to be told of a request", internal=True)
EFFECT_DUE = EventType("approvals/effect.due", EffectDue, "An effect is to be tried", internal=True)
CHILD_DUE = EventType("approvals/child.due", VisitRef, "A request within a request is to be started", internal=True)
CHILD_CLOSED = EventType("approvals/child.closed", ChildClosed, "A request within a request has ended", internal=True)
CHILD_ABANDONED = EventType(
    "approvals/child.abandoned", InstanceRef, "Nobody waits for a request any more", internal=True
)
HANDOVER_BEGUN = EventType("approvals/handover.begun", JobRef, "Somebody's tasks are to be handed over", internal=True)
MIGRATION_ASKED = EventType(
    "approvals/migration.asked", JobRef, "Requests are to be moved to another version", internal=True
)
FILE_UNUSED = EventType("approvals/file.unused", FileRef, "Nobody has used a file in time", internal=True)

EVENTS = (
    INPUT_GIVEN,
    WATCH_CONTINUED,
    VISIT_DUE,
    NOTICES_DUE,
    EFFECT_DUE,
    CHILD_DUE,
    CHILD_CLOSED,
    CHILD_ABANDONED,
    HANDOVER_BEGUN,
    FILE_UNUSED,
    MIGRATION_ASKED,
    REHEARSAL_DUE,
    INSTANCE_STARTED,
    INSTANCE_CLOSED,
    TASK_OPENED,
    TASK_CLOSED,
    EFFECT_COMPENSATE,
)
