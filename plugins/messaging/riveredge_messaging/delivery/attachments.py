"""Files that go with messages: kept with the message, or only referred to."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.delivery.models import MessageFile
from riveredge_messaging.models import Message
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk import find_service, session
from riveredge_sdk.features.messaging import ATTACHED_FILES, Attachment
from riveredge_sdk.problems import FieldError, Invalid

MAX_FILES = 20


class MissingFileError(Exception):
    """A file that a message refers to cannot be read; the message is for people."""


async def keep(message: Message, files: Sequence[Attachment]) -> None:
    """Keep the files of a new message. Inside a unit of work.

    Raises:
        Invalid: there are too many of them, they are too large, or a name is none.
    """
    check(files)
    session().add_all(
        MessageFile(
            message_id=message.id,
            position=position,
            name=file.name,
            media_type=file.media_type,
            content=file.content,
            file_id=file.file_id,
            content_id=file.content_id,
        )
        for position, file in enumerate(files)
    )


def check(files: Sequence[Attachment]) -> None:
    """See that files can go with a message.

    Raises:
        Invalid: there are too many of them, they are too large, or a name is none.
    """
    if len(files) > MAX_FILES:
        raise Invalid(
            f"At most {MAX_FILES} files.", errors=[FieldError("attachments", f"At most {MAX_FILES} files.", "too_many")]
        )
    errors = []
    for position, file in enumerate(files):
        if not file.name.strip() or any(ord(c) < 32 or c in '/\\"' for c in file.name) or len(file.name) > 200:
            text = "Expected a file's name without path, quotation marks and control characters."
            errors.append(FieldError(f"attachments.{position}.name", text, "name"))
    size, most = sum(len(file.content or b"") for file in files), MessagingSettings().max_attachment_bytes
    if size > most:
        errors.append(FieldError("attachments", f"The files have {size} bytes; at most {most} are sent.", "too_large"))
    if errors:
        raise Invalid(f"{len(errors)} mistake(s) in the attachments.", errors=errors)


async def of_messages(message_ids: Sequence[UUID]) -> dict[UUID, list[Attachment]]:
    """The files of messages, as they are kept. Inside a unit of work."""
    query = select(MessageFile).where(col(MessageFile.message_id).in_(message_ids)).order_by(col(MessageFile.position))
    found: dict[UUID, list[Attachment]] = {}
    for row in (await session().exec(query)).all():
        found.setdefault(row.message_id, []).append(
            Attachment(
                name=row.name,
                media_type=row.media_type,
                content=row.content,
                file_id=row.file_id,
                content_id=row.content_id,
            )
        )
    return found


async def read(files: Sequence[Attachment]) -> Sequence[Attachment]:
    """The files with their content. Outside of any transaction.

    Raises:
        MissingFileError: one that is only referred to is not there, or is too large.
    """
    left = MessagingSettings().max_attachment_bytes
    read_files: list[Attachment] = []
    for file in files:
        content = file.content if file.content is not None else await _fetch(file, left)
        left -= len(content)
        if left < 0:
            raise MissingFileError(f"The attachments are too large; {file.name} is too much.")
        read_files.append(replace(file, content=content, file_id=None))
    return read_files


async def _fetch(file: Attachment, left: int) -> bytes:
    store = find_service(ATTACHED_FILES)
    if store is None or file.file_id is None:
        raise MissingFileError(f"Nothing here keeps the file {file.name}.")
    try:
        return await store.read(file.file_id, max_bytes=left)
    except Exception as error:
        raise MissingFileError(f"The file {file.name} cannot be read: {error}"[:500]) from error


__all__ = ["MissingFileError", "check", "keep", "of_messages", "read"]
