"""Files that go with messages: kept with the message, or only referred to."""

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_messaging.delivery.file_checks import check, with_type
from riveredge_messaging.delivery.file_schemas import AttachmentOut
from riveredge_messaging.delivery.models import MessageFile
from riveredge_messaging.models import Message
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk import find_service, session, unit_of_work
from riveredge_sdk.features.messaging import ATTACHED_FILES, Attachment, PermanentFailure, TemporaryFailure
from riveredge_sdk.problems import FieldError, Invalid, NotFound, invalid_field
from riveredge_sdk.quotas import Quota, claim_quota

QUOTA = "messaging.attachments"
# Within what a lease has to spare.
READ_SECONDS = 10


async def checked(files: Sequence[Attachment]) -> list[Attachment]:
    """The files as they are kept, each with its name and its type. Inside a unit of work.

    Raises:
        Invalid: one of them cannot go with a message, or is not there.
    """
    made: list[Attachment] = []
    sizes: list[int] = []
    for position, file in enumerate(files):
        whole, size = await _described(position, file)
        made.append(with_type(whole))
        sizes.append(size)
    check(made, sizes)
    return made


async def _described(position: int, file: Attachment) -> tuple[Attachment, int]:
    if file.content is not None:
        return file, len(file.content)
    store, place = find_service(ATTACHED_FILES), f"attachments.{position}.file_id"
    if store is None or file.file_id is None:
        raise invalid_field(place, "Nothing here keeps files to refer to: give the content.", "no_files")
    try:
        known = await store.describe(file.file_id)
    except NotFound:
        raise invalid_field(place, "There is no such file, or you may not read it.", "unknown") from None
    return replace(file, name=file.name or known.name, media_type=file.media_type or known.media_type), known.size


async def keep(message: Message, files: Sequence[Attachment]) -> None:
    """Keep the files of a new message, which were checked. Inside a unit of work.

    Raises:
        QuotaExceeded: the organisation keeps as many bytes as it may.
    """
    if size := sum(len(file.content or b"") for file in files):
        await claim_quota(QUOTA, size)
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


async def of_message(message: Message) -> list[Attachment]:
    """The files of a message, as they are kept. Inside a unit of work."""
    if message.files == 0:
        return []
    query = select(MessageFile).where(col(MessageFile.message_id) == message.id).order_by(col(MessageFile.position))
    return [
        Attachment(
            name=row.name,
            media_type=row.media_type,
            content=row.content,
            file_id=row.file_id,
            content_id=row.content_id,
        )
        for row in (await session().exec(query)).all()
    ]


async def listed(message: Message) -> list[AttachmentOut]:
    """The files of a message without their content. Inside a unit of work."""
    if message.files == 0:
        return []
    shown = (
        MessageFile.id,
        MessageFile.name,
        MessageFile.media_type,
        MessageFile.file_id,
        MessageFile.content_id,
        MessageFile.created_at,
    )
    size = func.length(MessageFile.content).label("size")
    query = select(*shown, size).where(col(MessageFile.message_id) == message.id).order_by(col(MessageFile.position))  # type: ignore[call-overload]
    return [AttachmentOut.model_validate(row, from_attributes=True) for row in (await session().exec(query)).all()]


async def find(message_id: UUID, file_id: UUID) -> MessageFile:
    """One of them, with its content. Inside a unit of work.

    Raises:
        NotFound: there is none, or it is kept elsewhere.
    """
    query = select(MessageFile).where(col(MessageFile.id) == file_id, col(MessageFile.message_id) == message_id)
    found = (await session().exec(query)).one_or_none()
    if found is None:
        raise NotFound("The message has no such attachment.")
    if found.content is None:
        raise NotFound(f"The file is kept elsewhere, as {found.file_id}.")
    return found


async def _used() -> int:
    size = select(func.coalesce(func.sum(func.length(MessageFile.content)), 0))
    return int((await session().exec(size)).one())


ATTACHMENTS_QUOTA = Quota(QUOTA, "Attachments of messages", _used, "As long as their messages are kept.", unit="bytes")


@dataclass(slots=True, weakref_slot=True)
class Files:
    """The files of a message with their content."""

    files: Sequence[Attachment]


@dataclass(slots=True)
class Reader:
    """Reads the files of messages when they are needed: once for all that are handing the message over just then, so
    that those of many messages are never in memory together."""

    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _known: weakref.WeakValueDictionary[UUID, Files] = field(default_factory=weakref.WeakValueDictionary)

    async def read(self, message_id: UUID) -> Files:
        """The files. Outside of any transaction.

        Raises:
            PermanentFailure: one that is only referred to is gone, or is too large.
            TemporaryFailure: it cannot be read now.
        """
        try:
            async with asyncio.timeout(READ_SECONDS), self._lock:
                found = self._known.get(message_id)
                if found is None:
                    found = self._known[message_id] = await _read(message_id)
                return found
        except TimeoutError:
            raise _not_now(f"The attachments could not be read within {READ_SECONDS} s.") from None


async def _read(message_id: UUID) -> Files:
    async with unit_of_work(read_only=True):
        message = (await session().exec(select(Message).where(col(Message.id) == message_id))).one()
        kept = await of_message(message)
    if len(kept) != message.files:
        raise PermanentFailure("The attachments are not kept any more.")
    left = MessagingSettings().max_attachment_bytes
    files: list[Attachment] = []
    for file in kept:
        content = file.content if file.content is not None else await _fetch(file, left)
        left -= len(content)
        if left < 0:
            raise PermanentFailure(f"The attachments are too large; {file.name} is too much.")
        files.append(replace(file, content=content, file_id=None))
    try:
        check(files, [0])
    except Invalid as error:
        raise PermanentFailure(f"An attachment is not what it was: {_first(error.errors)}") from None
    return Files(files)


def _first(errors: Sequence[FieldError]) -> str:
    return errors[0].message if errors else ""


async def _fetch(file: Attachment, left: int) -> bytes:
    store = find_service(ATTACHED_FILES)
    if store is None or file.file_id is None:
        raise PermanentFailure(f"Nothing here keeps the file {file.name} any more.")
    try:
        return await store.read(file.file_id, max_bytes=max(left, 0))
    except (NotFound, ValueError) as error:
        raise PermanentFailure(f"The file {file.name} cannot be read: {error}"[:500]) from None
    except Exception as error:
        raise _not_now(f"The file {file.name} cannot be read now: {error}") from error


def _not_now(text: str) -> TemporaryFailure:
    # Not the provider's failure.
    return TemporaryFailure(text[:500], of_recipient=True)


__all__ = ["ATTACHMENTS_QUOTA", "Files", "Reader", "checked", "find", "keep", "listed", "of_message"]
