"""What happens to schedules."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk import EventType


class FiresDue(BaseModel):
    """Fires that are to start. `attempt` tells a retry's event from the first one's."""

    fire_ids: list[UUID]
    attempt: int = 0


class TaskRef(BaseModel):
    """A schedule."""

    task_id: UUID
    key: str


class FireEnded(BaseModel):
    """How a run of a schedule ended."""

    fire_id: UUID
    task_id: UUID
    key: str
    nominal_at: datetime
    error: str | None = None


FIRES_DUE = EventType("scheduling/fires.due", FiresDue, "Fires of schedules are due", internal=True)
FIRE_FAILED = EventType("scheduling/fire.failed", FireEnded, "A run of a schedule failed for good")
TASK_PAUSED = EventType("scheduling/task.paused", TaskRef, "A schedule was paused")
SUCCESS_MISSING = EventType("scheduling/success.missing", TaskRef, "A schedule did not succeed in the time it should")

EVENTS = (FIRES_DUE, FIRE_FAILED, TASK_PAUSED, SUCCESS_MISSING)
