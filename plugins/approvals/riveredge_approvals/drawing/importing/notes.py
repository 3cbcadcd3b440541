"""What an import says of what it could not take as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["dropped", "guessed"]
# More are counted, and not kept.
MAX_NOTES = 500


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was dropped, or guessed and wants a look. `path` is in what was imported."""

    kind: Kind
    path: str
    message: str


@dataclass(slots=True)
class Notes:
    """All of an import."""

    found: list[Note] = field(default_factory=list)

    def dropped(self, path: str, message: str) -> None:
        """It is not in the drawing."""
        self._add("dropped", path, message)

    def guessed(self, path: str, message: str) -> None:
        """It is in the drawing, but may not be what was meant."""
        self._add("guessed", path, message)

    def rest(self, path: str, raw: Mapping[str, Any], known: frozenset[str]) -> None:
        """Note the keys that nobody has read, if they say something."""
        for key in sorted(raw.keys() - known):
            if raw[key] not in (None, "", [], {}, False):
                self.dropped(f"{path}.{key}" if path else key, "There is nothing like it here.")

    def _add(self, kind: Kind, path: str, message: str) -> None:
        if len(self.found) < MAX_NOTES:
            self.found.append(Note(kind, path, message))
