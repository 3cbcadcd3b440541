"""What may be attached to messages: how many files, how large, under which names and of which kinds."""

import mimetypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk.features.messaging import Attachment
from riveredge_sdk.problems import FieldError, Invalid

MAX_FILES = 20
MAX_NAME = 200
# File systems take so many bytes.
MAX_NAME_BYTES = 255
UNKNOWN = "application/octet-stream"

# Path separators, quotation marks, control characters, and marks that turn the direction of what follows: with one
# a name that ends in "fdp.exe" is read as one of a PDF.
_IN_NO_NAME = re.compile(r'[/\\"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]')
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,49}/[a-z0-9][a-z0-9!#$&^_.+-]{0,49}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# How files of some kinds begin.
_BEGINS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "application/pdf": re.compile(rb"%PDF-"),
    "application/zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
}
_PROGRAM = re.compile(rb"MZ|\x7fELF|\xcf\xfa\xed\xfe|\xfe\xed\xfa")


def with_type(file: Attachment) -> Attachment:
    """The file with a media type: the one it was given, in small letters, or what its name says."""
    given = file.media_type.strip().lower() or mimetypes.guess_type(file.name)[0] or UNKNOWN
    return replace(file, media_type=given)


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
    name = file.name
    if not name or len(name) > MAX_NAME or len(name.encode()) > MAX_NAME_BYTES or _IN_NO_NAME.search(name):
        yield "name", "Expected a file's name without path, quotation marks and control characters.", "name"
    elif name != name.strip() or name.startswith(".") or name.endswith("."):
        yield "name", "A file's name begins and ends with neither a dot nor a space.", "name"
    suffix = name.rpartition(".")[2].lower()
    if suffix in MessagingSettings().refused_suffixes or (file.content and _PROGRAM.match(file.content)):
        yield "name", "Programs and scripts are not sent: mail servers refuse them, and readers should too.", "program"
    if not _MEDIA_TYPE.fullmatch(file.media_type):
        yield "media_type", "Expected a media type without parameters, such as application/pdf.", "media_type"
    begins = _BEGINS.get(file.media_type)
    if begins is not None and file.content is not None and not begins.match(file.content):
        yield "media_type", f"The content is no {file.media_type}.", "media_type"
    if file.content_id is None:
        return
    if not _CONTENT_ID.fullmatch(file.content_id):
        yield "content_id", "Expected letters, digits, dots, underscores and hyphens.", "content_id"
    if file.media_type not in _INLINE:
        yield "content_id", f"Only images are shown in a text: {', '.join(sorted(_INLINE))}.", "content_id"


__all__ = ["MAX_FILES", "MAX_NAME", "UNKNOWN", "check", "with_type"]
