"""What may be attached to messages: how many files, how large, under which names and of which kinds."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk.features.messaging import Attachment
from riveredge_sdk.files import flaws, media_type_of
from riveredge_sdk.problems import FieldError, Invalid

MAX_FILES = 20
_CONTENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def with_type(file: Attachment) -> Attachment:
    """The file with a media type: the one it was given, in small letters, or what its name says."""
    return replace(file, media_type=media_type_of(file.name, file.media_type))


def check(files: Sequence[Attachment], sizes: Sequence[int]) -> None:
    """See that files of these sizes, in bytes, can go with a message.

    Raises:
        Invalid: there are too many of them, they are too large, or one cannot be attached.
    """
    if len(files) > MAX_FILES:
        text = f"At most {MAX_FILES} files."
        raise Invalid(text, errors=[FieldError("attachments", text, "too_many")])
    errors = [
        FieldError(f"attachments.{position}.{field}", text, code)
        for position, file in enumerate(files)
        for field, text, code in _flaws(file)
    ]
    ids = Counter(file.content_id for file in files if file.content_id is not None)
    errors += [
        FieldError(f"attachments.{position}.content_id", "Another file has the same one.", "not_unique")
        for position, file in enumerate(files)
        if file.content_id is not None and ids[file.content_id] > 1
    ]
    size, most = sum(sizes), MessagingSettings().max_attachment_bytes
    if size > most:
        errors.append(FieldError("attachments", f"The files have {size} bytes; at most {most} are sent.", "too_large"))
    if errors:
        raise Invalid(f"{len(errors)} mistake(s) in the attachments.", errors=errors)


def _flaws(file: Attachment) -> Iterator[tuple[str, str, str]]:
    for flaw in flaws(file.name, file.media_type, file.content, refused=MessagingSettings().refused_suffixes):
        yield flaw.field, flaw.message, flaw.code
    if file.content_id is None:
        return
    if not _CONTENT_ID.fullmatch(file.content_id):
        yield "content_id", "Expected letters, digits, dots, underscores and hyphens.", "content_id"
    if file.media_type not in _INLINE:
        yield "content_id", f"Only images are shown in a text: {', '.join(sorted(_INLINE))}.", "content_id"


__all__ = ["MAX_FILES", "check", "with_type"]
