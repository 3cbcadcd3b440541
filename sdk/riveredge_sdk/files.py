"""Files that people hand in: under which names and of which kinds they are taken, and how they are given out again.

Nothing that comes back from here is shown by a browser as a page of ours: it is a download, of a type that is not
guessed at, and without rights of its own.
"""

import mimetypes
import re
from collections.abc import Collection, Iterator
from urllib.parse import quote

from fastapi import Response

from riveredge_sdk.problems import FieldError

MAX_NAME = 200
# File systems take so many bytes.
_MAX_NAME_BYTES = 255
UNKNOWN = "application/octet-stream"
# How names of programs and scripts end.
PROGRAMS = frozenset(
    {"apk", "app", "bat", "cab", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "gadget", "hta", "inf", "ins", "iso"}
    | {"jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msp", "mst", "pif", "ps1", "reg", "scr", "sct", "sh"}
    | {"sys", "vb", "vbe", "vbs", "vhd", "vxd", "wsc", "wsf", "wsh"}
)

# Path separators, quotation marks, control characters, and marks that turn the direction of what follows: with one
# a name that ends in "fdp.exe" is read as one of a PDF.
_IN_NO_NAME = re.compile(r'[/\\"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]')
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,49}/[a-z0-9][a-z0-9!#$&^_.+-]{0,49}")
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


def media_type_of(name: str, given: str = "") -> str:
    """A file's media type: the one it was given, in small letters, or what its name says."""
    return given.strip().lower() or mimetypes.guess_type(name)[0] or UNKNOWN


def flaws(
    name: str, media_type: str, content: bytes | None, *, refused: Collection[str] = PROGRAMS
) -> Iterator[FieldError]:
    """Why a file is not taken; nothing if it is. The fields are `name` and `media_type`.

    Args:
        content: all of it, or None where it is not at hand.
        refused: endings of names, without their dot.
    """
    if not name or len(name) > MAX_NAME or len(name.encode()) > _MAX_NAME_BYTES or _IN_NO_NAME.search(name):
        text = "Expected a file's name without path, quotation marks and control characters."
        yield FieldError("name", text, "name")
    elif name != name.strip() or name.startswith(".") or name.endswith("."):
        yield FieldError("name", "A file's name begins and ends with neither a dot nor a space.", "name")
    if name.rpartition(".")[2].lower() in refused or (content and _PROGRAM.match(content)):
        text = "Programs and scripts are not sent: mail servers refuse them, and readers should too."
        yield FieldError("name", text, "program")
    if not _MEDIA_TYPE.fullmatch(media_type):
        text = "Expected a media type without parameters, such as application/pdf."
        yield FieldError("media_type", text, "media_type")
    begins = _BEGINS.get(media_type)
    if begins is not None and content is not None and not begins.match(content):
        yield FieldError("media_type", f"The content is no {media_type}.", "media_type")


def as_download(content: bytes, *, name: str, media_type: str) -> Response:
    """The answer that gives a file out, to be kept under its name."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=media_type, headers=headers)


__all__ = ["MAX_NAME", "PROGRAMS", "UNKNOWN", "as_download", "flaws", "media_type_of"]
