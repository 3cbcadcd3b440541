"""Durable functions."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col

from riveredge_example.models import Note
from riveredge_example.schemas import NotePayload
from riveredge_example.service import NOTE_WRITTEN, REMINDER_DUE, Notes
from riveredge_example.settings import ExampleTenantSettings
from riveredge_sdk import (
    Cron,
    CronTick,
    FunctionContext,
    FunctionSpec,
    Subject,
    find_service,
    tenant_settings,
    unit_of_work,
)
from riveredge_sdk.features.approvals import EFFECT_COMPENSATE, EffectUndone
from riveredge_sdk.features.messaging import NOTIFIER, Notification

FOLLOW_UP = timedelta(days=3)


async def remind(ctx: FunctionContext, event: NotePayload) -> int:
    """Remind the author, count it, and once more after three days."""

    @unit_of_work()
    async def notify() -> int:
        note = await Notes().find(col(Note.id) == event.note_id)
        if note is None:
            return 0
        note.reminders += 1
        notifier = find_service(NOTIFIER)
        if notifier is not None and note.author_id is not None:
            settings = await tenant_settings(ExampleTenantSettings)
            data = {"greeting": settings.greeting, "title": note.title}
            await notifier.notify(
                Notification(
                    template="example.reminder",
                    to=[note.author_id],
                    data=data,
                    idempotency_key=f"example:{ctx.run_id}:{note.reminders}",
                )
            )
        return note.reminders

    await ctx.step.run("first", notify)
    await ctx.step.sleep("wait", FOLLOW_UP)
    return await ctx.step.run("second", notify)


async def trim(ctx: FunctionContext, event: NotePayload) -> str:
    """Take the space off a new note's end: something that every written note sets off."""

    @unit_of_work()
    async def strip() -> str:
        note = await Notes().find(col(Note.id) == event.note_id)
        if note is not None:
            note.text = note.text.rstrip()
        return note.title if note is not None else ""

    return await ctx.step.run("strip", strip)


async def take_away(ctx: FunctionContext, event: EffectUndone) -> bool:
    """A request on whose way a note was written is not wanted any more: nor is the note."""

    @unit_of_work()
    async def delete() -> bool:
        note = await Notes().find(col(Note.id) == UUID(event.result["note"]))
        if note is not None:
            await Notes().delete(note)
        return note is not None

    return await ctx.step.run("delete", delete)


async def tick(_ctx: FunctionContext, event: CronTick) -> str:
    """Housekeeping of the platform: no tenant."""
    return str(event.scheduled_at or "")


def subject(event: NotePayload) -> Subject:
    """What a run serves: shown with it, and runs are found by it."""
    return Subject("example.note", event.note_id)


FUNCTIONS = (
    FunctionSpec(id="example.remind", title="Remind of a note", trigger=REMINDER_DUE, handler=remind, subject=subject),
    FunctionSpec(id="example.trim", title="Tidy a new note", trigger=NOTE_WRITTEN, handler=trim, subject=subject),
    FunctionSpec(
        id="example.take_away",
        title="Delete the note of a request that was taken back",
        trigger=EFFECT_COMPENSATE,
        condition="event.data.effect == 'example.note'",
        handler=take_away,
    ),
    FunctionSpec(id="example.tick", title="Monthly tick", trigger=Cron("0 4 1 * *"), handler=tick, system=True),
)
