"""What schedules can do with notes."""

from typing import Annotated

from pydantic import Field

from riveredge_example.schemas import NoteIn
from riveredge_example.service import write_note
from riveredge_sdk import Body
from riveredge_sdk.features.scheduling import FireContext, SystemSchedule, TaskAction


class WriteNoteParams(Body):
    """The note."""

    title: Annotated[str, Field(title="Title", min_length=1, max_length=200)]


class WriteNote(TaskAction[WriteNoteParams]):
    """Writes a note."""

    id = "example.write_note"
    title = "Write a note"
    params = WriteNoteParams
    permission = "example.note.write"
    idempotency = "The note is written exactly once for each fire."
    transactional = True

    async def run(self, ctx: FireContext, params: WriteNoteParams) -> str:
        note = await write_note(NoteIn(title=params.title, text=f"For {ctx.nominal_at:%Y-%m-%d}", tags=[]))
        return str(note.id)


WEEKLY = SystemSchedule(
    id="example.weekly",
    title="A new week of notes",
    cron="0 6 * * MON",
    action="scheduling.emit_event",
    params={"name": "example.week"},
)
