"""A way of its own to say who decides on a request."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import col

from riveredge_example.models import Note
from riveredge_example.service import Notes
from riveredge_sdk.features.approvals import ApproverResolver, Found, Request, mention


class NoteAuthorConfig(BaseModel):
    """Where the note's id is."""

    model_config = ConfigDict(extra="forbid")

    field: Annotated[str, Field(title="Field of the form that holds the note", min_length=1, max_length=200)]


class NoteAuthor(ApproverResolver[NoteAuthorConfig]):
    """Who has written the note that a request is about."""

    id = "example.note_author"
    title = "Author of the note"
    description = "Who has written the note that a field of the form names."
    config = NoteAuthorConfig

    async def resolve(self, request: Request, config: NoteAuthorConfig) -> Found:
        why, texts = (
            f"has written the note of {mention(request.submitter)}'s request",
            {"zh-CN": "是申请所附笔记的作者"},
        )
        try:
            note = await Notes().find(col(Note.id) == UUID(str(request.form.get(config.field))))
        except ValueError:
            note = None
        if note is None or note.author_id is None:
            warning = {"en": f"the field {config.field} names no note with an author"}
            return Found((), why, [{**warning, "zh-CN": f"字段 {config.field} 没有指向有作者的笔记"}], texts)
        return Found([note.author_id], why, texts=texts)
