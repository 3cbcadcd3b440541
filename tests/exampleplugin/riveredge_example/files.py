"""Notes as files that messages may carry."""

from uuid import UUID

from sqlmodel import col

from riveredge_example.models import Note
from riveredge_example.service import Notes
from riveredge_sdk import current_context, unit_of_work
from riveredge_sdk.features.messaging import AttachedFile
from riveredge_sdk.problems import NotFound


class NoteFiles:
    """See `riveredge_sdk.features.messaging.AttachedFiles`."""

    async def describe(self, file_id: UUID) -> AttachedFile:
        """The note, for those who may read notes."""
        sender = current_context().principal
        # Nobody: a function sends it.
        if sender is not None and not sender.may("example.note.read"):
            raise NotFound("There is no such note.")
        note = await Notes().get(file_id)
        return AttachedFile(name=f"{note.title}.txt", media_type="text/plain", size=len(note.text.encode()))

    async def read(self, file_id: UUID, *, max_bytes: int) -> bytes:
        """The note's text."""
        async with unit_of_work(read_only=True):
            note = await Notes().find(col(Note.id) == file_id)
        if note is None:
            raise NotFound("The note is gone.")
        content = note.text.encode()
        if len(content) > max_bytes:
            raise ValueError("the note is too long")
        return content
