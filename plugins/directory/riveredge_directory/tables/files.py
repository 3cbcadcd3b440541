"""Tables as files: in the encodings and with the separators that spreadsheets use, and without formulas."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Literal

from riveredge_sdk.problems import UnsupportedMediaType, invalid_field

Encoding = Literal["utf-8", "utf-16", "gb18030"]
MEDIA_TYPES = frozenset(
    {"", "text/csv", "text/plain", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel",
     "application/octet-stream"}
)  # fmt: skip
_FORM = "multipart/form-data"
_BEGINNINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# A workbook is a ZIP file, an old one an OLE file.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS = (",", ";", "\t")
# What a spreadsheet takes for a formula (OWASP: CSV injection), if no apostrophe quotes it.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_QUOTED = re.compile(r"'+[=+\-@\t\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: the number that editors show, and its cells."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds."""

    encoding: Encoding
    separator: str
    head: Sequence[str]
    lines: Sequence[Line]


def content_of(media_type: str, body: bytes) -> bytes:
    """The file that was sent: as the body itself, or as the one file of a form (RFC 7578).

    Args:
        media_type: the body's, with its parameters.

    Raises:
        UnsupportedMediaType: it is nothing that can be a table.
        Invalid: the form has no file, or several.
    """
    if _plain(media_type) != _FORM:
        _check(media_type)
        return body
    form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {media_type}\r\n\r\n".encode("latin-1") + body)
    files = [part for part in form.iter_parts() if part.get_filename() is not None] if form.is_multipart() else []
    if len(files) != 1:
        raise invalid_field("body", f"The form has {len(files)} files. Send one, as the field 'file'.", "files")
    _check(files[0].get("Content-Type", ""))
    content = files[0].get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _check(media_type: str) -> None:
    if _plain(media_type) not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"Send the file as text/csv, as the body itself or in a form of {_FORM}.")


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def read(content: bytes, *, max_lines: int) -> Sheet:
    """The table in a file. Blank lines are left out; the first line that is not holds the names of the columns.

    Raises:
        Invalid: it is no table, has no line, or too many.
    """
    text, encoding = _decode(content)
    first = next((line for line in text.splitlines() if line.strip(" \t,;")), "")
    # Names of columns hold no separators; of what stands there most, there are most columns.
    separator = max(_SEPARATORS, key=first.count)
    lines = _lines(text, separator, max_lines + 1)
    if not lines:
        raise invalid_field("body", "The file is empty. Its first line holds the names of the columns.", "empty")
    if len(lines) > max_lines + 1:
        raise invalid_field("body", f"A file has at most {max_lines} lines below its first one. Split it.", "too_long")
    head, *rest = lines
    return Sheet(encoding, separator, head.cells, rest)


def _decode(content: bytes) -> tuple[str, Encoding]:
    if content.startswith(_WORKBOOKS):
        raise invalid_field(
            "body", "This is a workbook. Save it as CSV (“CSV UTF-8” in Excel), and send that.", "workbook"
        )
    marked = next((codec for mark, codec in _BEGINNINGS.items() if content.startswith(mark)), None)
    # Excel in China writes GB18030 or a part of it, without saying so; no text of it is UTF-8 by chance.
    attempts = [marked] if marked is not None else ["utf-8", "gb18030"]
    for codec in attempts:
        try:
            text = content.decode(codec)
        except UnicodeDecodeError:
            continue
        known: dict[str, Encoding] = {"utf-16": "utf-16", "gb18030": "gb18030"}
        return text, known.get(codec, "utf-8")
    raise invalid_field(
        "body", "The file's encoding is not known. Save it as UTF-8 (“CSV UTF-8” in Excel).", "encoding"
    )


def _lines(text: str, separator: str, limit: int) -> list[Line]:
    """The lines that are not blank, until there are more than the limit."""
    found: list[Line] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    last = 0
    try:
        for written in reader:
            number, last = last + 1, reader.line_num
            cells = [_unquoted(cell.strip()) for cell in written]
            if not any(cells):
                continue
            if bad := next((place for place, cell in enumerate(cells, 1) if _CONTROL.search(cell)), None):
                raise invalid_field(
                    f"lines.{number}", f"Column {bad} holds control characters. Remove them.", "control"
                )
            found.append(Line(number, cells))
            if len(found) > limit:
                break
    except csv.Error as error:
        raise invalid_field(
            f"lines.{last + 1}", f"This is no table from here on: {error}. Look for a quote that is not closed.", "csv"
        ) from None
    return found


def _unquoted(cell: str) -> str:
    return cell[1:] if _QUOTED.match(cell) else cell


def write(head: Sequence[str], lines: Iterable[Sequence[str]], encoding: Literal["utf-8", "gb18030"]) -> bytes:
    """A file (RFC 4180) that spreadsheets open as it is; UTF-8 has a byte order mark, without which Excel guesses."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(head)
    out.writerows([[f"'{cell}" if _FORMULA.match(cell) else cell for cell in line] for line in lines])
    return text.getvalue().encode("utf-8-sig" if encoding == "utf-8" else encoding)
