"""The lines of a file as what they mean, with all that is wrong with them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from riveredge_directory.tables.columns import COLUMNS, Kind, kind_of, missing, recognised
from riveredge_directory.tables.files import Line, Sheet
from riveredge_directory.tables.reports import Action, CellError, Change, LineReport
from riveredge_sdk.problems import invalid_field

_DAY = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))")
_EARLIEST, _LATEST = date(1900, 1, 1), date(2999, 12, 31)
_YES = frozenset({"yes", "y", "true", "1", "x", "是", "√"})
_NO = frozenset({"no", "n", "false", "0", "否", "×"})
_EMAILS = re.compile(r"[\s,;、；，]+")


@dataclass(slots=True)
class Cells:
    """One line. A column that is not there leaves things as they are; an empty cell means that there is none.

    What is read wrongly is noted as an error, and the reading goes on, so that people see all errors at once.
    """

    line: Line
    places: Mapping[str, int]
    titles: Mapping[str, str]
    changes: list[Change] = field(default_factory=list)
    errors: list[CellError] = field(default_factory=list)
    created: bool = False

    def has(self, column: str) -> bool:
        """Whether the file has the column."""
        return column in self.places

    def text(self, column: str, *, longest: int = 200) -> str:
        """What the cell says; empty if there is none."""
        place = self.places.get(column)
        value = self.line.cells[place] if place is not None and place < len(self.line.cells) else ""
        if len(value) > longest:
            self.wrong(column, f"Has more than {longest} characters. Shorten it.", "too_long")
            return ""
        return value

    def code(self, column: str) -> str:
        """A key of a department; in lower case, as keys are."""
        return self.text(column, longest=100).lower()

    def email(self, column: str) -> str:
        """An address, to look somebody up by."""
        return self.text(column, longest=254).lower()

    def emails(self, column: str) -> list[str]:
        """Several of them, with commas, semicolons or blanks between."""
        found = [each for each in _EMAILS.split(self.text(column, longest=5000).lower()) if each]
        return list(dict.fromkeys(found))

    def yes(self, column: str) -> bool | None:
        """Yes, no, or nothing said."""
        value = self.text(column).lower()
        if value and value not in _YES | _NO:
            self.wrong(column, "Write yes or no, or leave it empty.", "boolean")
        return None if not value else value in _YES

    def day(self, column: str, default: date) -> date:
        """A day; the default where the cell is empty."""
        value = self.text(column)
        if not value:
            return default
        found = _DAY.fullmatch(value)
        try:
            day = date(*(int(part) for part in found.groups() if part)) if found else None
        except ValueError:
            day = None
        if day is None or not _EARLIEST <= day <= _LATEST:
            self.wrong(column, "Write the day as 2026-01-31, between 1900 and 2999.", "date")
            return default
        return day

    def wrong(self, column: str, message: str, code: str) -> None:
        """Note what is wrong with a cell, and how to mend it."""
        place = self.places.get(column)
        value = self.line.cells[place] if place is not None and place < len(self.line.cells) else ""
        title = self.titles.get(column, column)
        error = CellError(column=title, value=value[:200], message=message, code=code)
        # Cells are read more than once.
        if error not in self.errors:
            self.errors.append(error)

    def change(self, column: str, before: str | None, after: str | None) -> None:
        """Note what the line changes."""
        if before != after:
            self.changes.append(Change(column=self.titles.get(column, column), before=before, after=after))

    def report(self, subject: str) -> LineReport:
        """What came of it."""
        done: Action = "created" if self.created else "changed" if self.changes else "unchanged"
        return LineReport(
            line=self.line.number,
            subject=subject,
            action="failed" if self.errors else done,
            changes=[] if self.errors else self.changes,
            errors=self.errors,
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A file of which it is known what it is about."""

    kind: Kind
    lines: Sequence[Cells]
    ignored: Sequence[str]


def understand(sheet: Sheet, kind: Kind | None) -> Table:
    """The lines with the names of their columns.

    Args:
        kind: what it is about; None: its columns say so.

    Raises:
        Invalid: columns are missing; their names are listed.
    """
    kind = kind or kind_of(sheet.head)
    if kind is None or (lacking := missing(kind, sheet.head)):
        wanted = (
            " or ".join(f"{each[0].title!r} / {each[0].chinese!r} for {name}" for name, each in COLUMNS.items())
            if kind is None
            else ", ".join(f"{each.title!r} / {each.chinese!r}" for each in lacking)
        )
        seen = ", ".join(repr(title[:50]) for title in sheet.head[:20])
        raise invalid_field(
            "lines.1",
            f"The first line names no column {wanted}. It has {seen}. Export a table to see them all.",
            "columns",
        )
    places = recognised(kind, sheet.head)
    titles = {name: sheet.head[place] for name, place in places.items()}
    ignored = [title for place, title in enumerate(sheet.head) if title and place not in places.values()]
    return Table(kind, [Cells(line, places, titles) for line in sheet.lines], ignored)
