"""What happens to instances, for the plugin's own functions. The public events are the SDK's."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.effects.templates import Kind
from riveredge_sdk import EventType
from riveredge_sdk.features.approvals import (
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


INPUT_GIVEN = EventType("approvals/input.given", InstanceRef, "An instance has something to take in")
WATCH_CONTINUED = EventType("approvals/watch.continued", InstanceChanged, "Another run watches over an instance")
INSTANCE_MOVED = EventType("approvals/instance.moved", InstanceRef, "An instance has got on")
VISIT_DUE = EventType("approvals/visit.due", VisitDue, "A reminder, a deadline or a delay has come")
NOTICES_DUE = EventType("approvals/notices.due", NoticesDue, "People are to be told of a request")

EVENTS = (
    INPUT_GIVEN,
    INSTANCE_MOVED,
    WATCH_CONTINUED,
    VISIT_DUE,
    NOTICES_DUE,
    INSTANCE_STARTED,
    INSTANCE_CLOSED,
    TASK_OPENED,
    TASK_CLOSED,
)
