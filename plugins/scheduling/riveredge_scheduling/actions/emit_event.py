"""Emit an event: what a plugin, or an automation outside, may react to."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk import Body, EventType, publish
from riveredge_sdk.features.scheduling import FireContext, TaskAction

# Organisations choose what follows; no event of a plugin's can be imitated.
NAMESPACE = "scheduling/emitted"


class EmitParams(Body):
    """Which event."""

    name: Annotated[
        str,
        Field(
            title="Name",
            description="It is published as scheduling/emitted.<name>.",
            pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$",
            max_length=80,
        ),
    ]
    data: Annotated[dict[str, Any], Field(default_factory=dict, title="Data", description="Sent along, as JSON.")]


class Emitted(BaseModel):
    """The event's payload."""

    name: str
    fire_id: UUID
    task_id: UUID
    key: str
    nominal_at: datetime
    missed_count: int
    data: dict[str, Any]


class EmitEvent(TaskAction[EmitParams]):
    """Publishes `scheduling/emitted.<name>`."""

    id = "scheduling.emit_event"
    title = "Emit an event"
    description = "Publishes an event that functions and integrations can react to."
    params = EmitParams
    idempotency = "The event is published exactly once for each fire."
    transactional = True

    async def run(self, ctx: FireContext, params: EmitParams) -> None:
        payload = Emitted(
            name=params.name,
            fire_id=ctx.fire_id,
            task_id=ctx.task_id,
            key=ctx.task_key,
            nominal_at=ctx.nominal_at,
            missed_count=ctx.missed_count,
            data=params.data,
        )
        publish(EventType(f"{NAMESPACE}.{params.name}", Emitted, "An event of the organisation's own"), payload)
