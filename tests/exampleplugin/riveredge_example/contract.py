"""What other plugins may use of this one: a port, and an extension point."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from riveredge_sdk import Port


class NoteBook(Protocol):
    """The port's interface."""

    async def write(self, title: str, text: str) -> UUID:
        """Add a note in the running unit of work; its id."""
        ...


NOTE_BOOK: Port[NoteBook] = Port("example.note_book", version=1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A mark that is put on new notes."""

    id: str
    title: str
    text: str


class StampHooks:
    """The extension point: plugins that want to mark notes implement it."""

    def note_stamps(self) -> Iterable[Stamp]:
        """Marks for new notes."""
        return ()
