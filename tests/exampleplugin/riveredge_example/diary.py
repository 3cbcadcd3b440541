"""Notes down what an organisation wants to have noted down: events that it chooses while the platform runs."""

from collections.abc import Collection
from uuid import UUID

from riveredge_example.schemas import NoteIn
from riveredge_example.service import write_note
from riveredge_example.settings import ExampleTenantSettings
from riveredge_sdk import EventType, FunctionContext, FunctionSpec, current_context, tenant_settings, unit_of_work
from riveredge_sdk.watching import EventWatcher, WatchedEvent

NOTED = EventType("example/event.noted", WatchedEvent, "Something happened that is noted down")


class Diary(EventWatcher):
    """Watches for the event that the organisation's settings name."""

    id = "example.diary"
    event = NOTED

    async def names(self, tenant_id: UUID) -> Collection[str]:
        if current_context().tenant_id != tenant_id:
            return ()
        return {(await tenant_settings(ExampleTenantSettings)).diary}


async def note_down(ctx: FunctionContext, event: WatchedEvent) -> None:
    """Write a note about what happened."""

    @unit_of_work()
    async def write() -> None:
        await write_note(NoteIn(title=event.name, text=f"{event.event_id} {sorted(event.data)}", tags=[]))

    await ctx.step.run("write", write)


NOTE_DOWN = FunctionSpec(id="example.note_down", title="Note down an event", trigger=NOTED, handler=note_down)
