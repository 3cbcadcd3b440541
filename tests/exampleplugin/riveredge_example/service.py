"""The rules."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col

from riveredge_example.contract import StampHooks
from riveredge_example.models import Note, Tag
from riveredge_example.schemas import NoteIn, NotePayload
from riveredge_sdk import (
    EventType,
    FilterField,
    Problem,
    Repository,
    StreamTopic,
    contributions,
    current_context,
    publish,
    push,
    session,
    timers,
)
from riveredge_sdk.quotas import Quota, claim_quota

NOTE_WRITTEN = EventType("example/note.written", NotePayload, "A note was written")
REMINDER_DUE = EventType("example/reminder.due", NotePayload, "A note's author is to be reminded")


NOTES = StreamTopic("example.notes", "Notes", permission="example.note.read")


async def _may_see(key: str) -> bool:
    """Whoever may read notes may read them all, if they are there."""
    try:
        return await Notes().find(col(Note.id) == UUID(key)) is not None
    except ValueError:
        return False


NOTE = StreamTopic("example.note", "One note", permission="example.note.read", scope="object", authorise=_may_see)


class NoteBookFullError(Problem):
    """A plugin's own problem type."""

    status, code, title = 409, "example-note-book-full", "The note book is full"


class Notes(Repository[Note]):
    """Access to notes."""

    model = Note
    fields = (
        FilterField("title", "text", Note.title),
        FilterField("text", "text", Note.text),
        FilterField("author_id", "uuid", Note.author_id),
        FilterField("reminders", "integer", Note.reminders),
    )


class NoteBookService:
    """Implements the NOTE_BOOK port."""

    async def write(self, title: str, text: str) -> UUID:
        return (await write_note(NoteIn(title=title, text=text, tags=[]))).id


NOTES_QUOTA = Quota("example.notes", "Notes", Notes().count)


async def write_note(body: NoteIn) -> Note:
    """Add a note with its tags, and publish that it was written."""
    principal = current_context().principal
    stamps = "".join(f"\n{stamp.text}" for stamp in contributions(StampHooks.note_stamps) if stamp.text)
    author = principal.id if principal else None
    await claim_quota("example.notes")
    note = await Notes().add(Note(title=body.title, text=body.text + stamps, author_id=author))
    if body.tags:
        session().add_all(Tag(note_id=note.id, word=word) for word in body.tags)
        await session().flush()
    payload = NotePayload(note_id=note.id, author_id=author)
    publish(NOTE_WRITTEN, payload)
    push(NOTES, what="written", data={"note": note.id})
    if body.remind_at is not None:
        await remind(payload, body.remind_at)
    return note


async def remind(payload: NotePayload, at: datetime) -> None:
    """Remind the author at an instant; a second one for the same note takes the first one's place."""
    await timers.set(timers.Owner("example.note", payload.note_id), "reminder", at, REMINDER_DUE, payload)
