"""What approvals can do with notes: write one on the way, and have one approved."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlmodel import col

from riveredge_example.models import Note
from riveredge_example.schemas import NoteIn
from riveredge_example.service import Notes, write_note
from riveredge_sdk import Body, unit_of_work
from riveredge_sdk.features.approvals import ApprovalNode, ApprovalSubject, Outcome, Request, SubjectInfo
from riveredge_sdk.problems import Conflict, NotFound


class WriteNoteConfig(Body):
    """The note."""

    title: Annotated[str, Field(title="Title", min_length=1, max_length=200)]


class NoteNode(ApprovalNode[WriteNoteConfig]):
    """Writes a note when a request comes by."""

    id = "example.note"
    title = "Write a note"
    config = WriteNoteConfig

    @unit_of_work()
    async def run(self, request: Request, config: WriteNoteConfig) -> Mapping[str, Any]:
        text = f"{request.number}: {request.visit}"
        note = await Notes().find(col(Note.text).startswith(text)) or await write_note(
            NoteIn(title=config.title, text=text, tags=[])
        )
        return {"note": str(note.id)}


class NoteSubject(ApprovalSubject):
    """A note that is approved says so in its title."""

    type = "example.note"
    title = "Note"
    _mark = "✓ "

    async def describe(self, subject_id: str) -> SubjectInfo:
        note = await self._find(subject_id)
        if note.title.startswith(self._mark):
            raise Conflict("The note is approved already.")
        return SubjectInfo(title=note.title, link=f"/example/notes/{note.id}", form={"text": note.text})

    async def on_closed(self, request: Request, outcome: Outcome) -> None:
        note = await self._find(str(request.subject.id) if request.subject else "")
        if outcome == "approved" and not note.title.startswith(self._mark):
            note.title = (self._mark + note.title)[:200]

    async def on_revoke(self, request: Request) -> None:
        note = await self._find(str(request.subject.id) if request.subject else "")
        if not note.title.startswith(self._mark):
            raise Conflict("The note was rewritten since it was approved.")
        note.title = note.title.removeprefix(self._mark)

    async def _find(self, subject_id: str) -> Note:
        try:
            return await Notes().get(UUID(subject_id))
        except ValueError:
            raise NotFound(f"There is no note with the id {subject_id!r} here.") from None
