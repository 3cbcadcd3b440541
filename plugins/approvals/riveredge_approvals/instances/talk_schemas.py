"""Bodies and answers of the routes by which people talk about requests."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk import Body, Resource


class UrgeIn(Body):
    """A word to those who have not decided yet."""

    text: Annotated[str, Field(max_length=500, description="Stands in the message.")] = ""


class UrgeOut(BaseModel):
    """Who was urged."""

    people: int = Field(description="How many tasks are open; each one's assignee is told.")
    again_at: datetime = Field(description="When it can be urged again.")


class CopyIn(Body):
    """Who is to know."""

    users: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class CopyCount(BaseModel):
    """What was copied."""

    new: int = Field(description="To how many people who had no copy by hand yet.")


class CopyOut(Resource):
    """A copy."""

    user_id: UUID
    node: str | None = Field(description="The node that sent it; null if a person did.")
    sent_by: UUID | None
    read_at: datetime | None


class CommentIn(Body):
    """Something to say."""

    text: Annotated[str, Field(min_length=1, max_length=4000)]
    mentions: Annotated[
        list[UUID], Field(default_factory=list, max_length=20, description="Who is told, and can see the request.")
    ]
    attachments: Annotated[
        list[UUID], Field(default_factory=list, max_length=20, description="Ids of files that the author may read.")
    ]


class AttachmentOut(BaseModel):
    """A file. `size` is in bytes."""

    id: UUID
    name: str
    media_type: str
    size: int


class CommentOut(Resource):
    """What somebody said. `author_id` is null once she was erased."""

    author_id: UUID | None
    task_id: UUID | None
    text: str
    mentions: list[UUID]
    attachments: list[AttachmentOut]
