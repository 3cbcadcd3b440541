"""Bodies and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk import Body, Resource


class NoteIn(Body):
    """A new note."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=10_000)] = ""
    tags: Annotated[list[Annotated[str, Field(max_length=50)]], Field(default_factory=list, max_length=20)]
    remind_at: Annotated[datetime | None, Field(description="With its time zone.")] = None


class NoteChange(Body):
    """What may change."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    text: Annotated[str, Field(max_length=10_000)] | None = None


class NoteOut(Resource):
    """A note."""

    title: str
    text: str
    author_id: UUID | None
    reminders: int


class NotePayload(BaseModel):
    """A note, in events."""

    note_id: UUID
    author_id: UUID | None = None
