"""Attachments in bodies and answers."""

import base64
import binascii
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, EncodedBytes, EncoderProtocol, Field, model_validator
from pydantic_core import PydanticCustomError

from riveredge_sdk import Body
from riveredge_sdk.features.messaging import Attachment
from riveredge_sdk.files import MAX_NAME


class _Base64(EncoderProtocol):
    """RFC 4648 §4, line breaks allowed; what else is not of its alphabet is a mistake."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        try:
            return base64.b64decode(data.translate(None, b"\r\n"), validate=True)
        except binascii.Error:
            raise PydanticCustomError("base64", "Expected base64.") from None

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return base64.b64encode(value)

    @classmethod
    def get_json_format(cls) -> str:
        return "base64"


class AttachmentIn(Body):
    """A file that goes with a message: its content, or the id of a file that is kept here already."""

    name: Annotated[
        str, Field(max_length=MAX_NAME, description="What the reader sees; empty: the name of the file of the id.")
    ] = ""
    media_type: Annotated[
        str, Field(max_length=100, description="For example application/pdf; empty: what the name says.")
    ] = ""
    content: Annotated[
        Annotated[bytes, EncodedBytes(encoder=_Base64)] | None, Field(description="The file itself, in base64.")
    ] = None
    file_id: Annotated[UUID | None, Field(description="A file that a plugin keeps.")] = None
    content_id: Annotated[
        str | None,
        Field(max_length=100, description='For an image that the HTML shows: <img src="cid:…">.'),
    ] = None

    @model_validator(mode="after")
    def _is_one(self) -> "AttachmentIn":
        if (self.content is None) == (self.file_id is None):
            raise ValueError("give either the content or the file_id")
        if self.content is not None and not self.name:
            raise ValueError("a file with its content needs a name")
        return self

    def attachment(self) -> Attachment:
        """As the port takes it."""
        return Attachment(**{name: getattr(self, name) for name in type(self).model_fields})


class AttachmentOut(BaseModel):
    """A file that goes with a message."""

    id: UUID
    name: str
    media_type: str
    size: Annotated[int | None, Field(description="In bytes; null: it is kept elsewhere.")]
    file_id: UUID | None
    content_id: str | None
    created_at: datetime
