"""`/api/v1/example`."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_example.models import Note
from riveredge_example.schemas import NoteChange, NoteIn, NoteOut
from riveredge_example.service import NOTE, NoteBookFullError, Notes, write_note
from riveredge_example.settings import ExampleSettings
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, push
from riveredge_sdk.problems import FieldError, Invalid

READ = "example.note.read"
WRITE = "example.note.write"

router = Router(prefix="/notes", tag="Example: notes", audit="example.note")
notes = Notes()
limits = ExampleSettings()


@router.get(require=READ, summary="List notes")
async def list_notes(query: Annotated[ListQuery, Query()]) -> Page[NoteOut]:
    return await notes.page(query, into=NoteOut)


@router.get("/{note_id}", require=READ, summary="One note")
async def get_note(note_id: UUID) -> NoteOut:
    return NoteOut.model_validate(await notes.get(note_id))


@router.post(require=WRITE, summary="Write a note")
async def create_note(body: NoteIn) -> NoteOut:
    if body.remind_at is not None and body.remind_at.tzinfo is None:
        error = FieldError("remind_at", "Name the time zone, for example 2026-11-23T08:00:00Z.", "no_zone")
        raise Invalid("A reminder needs a time zone.", errors=[error])
    return NoteOut.model_validate(await write_note(body))


@router.patch("/{note_id}", require=WRITE, summary="Change a note")
async def change_note(note_id: UUID, body: NoteChange, version: ExpectedVersion) -> NoteOut:
    note = await notes.get(note_id, version=version, lock=True)
    changed = NoteOut.model_validate(await notes.change(note, body.given()))
    push(NOTE, note_id, what="changed", data={"version": changed.version})
    return changed


@router.delete("/{note_id}", require=WRITE, summary="Delete a note")
async def delete_note(note_id: UUID, version: ExpectedVersion) -> None:
    await notes.delete(await notes.get(note_id, version=version, lock=True))


@router.post("/import", require=WRITE, status=201, summary="Write many notes at once, or none")
async def import_notes(body: list[NoteIn]) -> list[NoteOut]:
    if await notes.count() + len(body) > limits.max_notes:
        raise NoteBookFullError(f"There is room for {limits.max_notes} notes.")
    made: list[Note] = [await write_note(note) for note in body]
    return [NoteOut.model_validate(note) for note in made]
