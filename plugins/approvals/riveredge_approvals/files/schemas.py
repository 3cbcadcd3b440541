"""Answers of the routes of files."""

from uuid import UUID

from pydantic import Field

from riveredge_sdk import Resource


class FileOut(Resource):
    """A file."""

    name: str
    media_type: str
    size: int = Field(description="Bytes.")
    digest: str = Field(description="sha256:… of its content.")
    uploaded_by: UUID | None
    instance_id: UUID | None = Field(description="The request that it belongs to; null until it is used.")
    field: str | None = Field(description="The field of the form that names it; null for one of a comment.")
