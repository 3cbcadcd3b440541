"""What happens to instances, for the plugin's own functions. The public events are the SDK's."""

from uuid import UUID

from pydantic import BaseModel

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


INPUT_GIVEN = EventType("approvals/input.given", InstanceRef, "An instance has something to take in")
WATCH_CONTINUED = EventType("approvals/watch.continued", InstanceChanged, "Another run watches over an instance")
INSTANCE_MOVED = EventType("approvals/instance.moved", InstanceRef, "An instance has got on")

EVENTS = (INPUT_GIVEN, INSTANCE_MOVED, WATCH_CONTINUED, INSTANCE_STARTED, INSTANCE_CLOSED, TASK_OPENED, TASK_CLOSED)
