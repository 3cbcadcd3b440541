"""Conditions of nested designers: `field`, operator, value; some of which have to hold, or all."""

import re
from collections.abc import Sequence
from typing import Any, Final

from riveredge_approvals.drawing.importing.nested import Form
from riveredge_approvals.drawing.importing.notes import Notes

_OPS: Final = {
    ">": "gt",
    ">=": "ge",
    "<": "lt",
    "<=": "le",
    "=": "eq",
    "==": "eq",
    "!=": "ne",
    "<>": "ne",
    "contain": "contains",
    "contains": "contains",
    "include": "contains",
    "!contain": "not_contains",
    "notinclude": "not_contains",
    "empty": "is_empty",
    "notempty": "not_empty",
}
_ORDER: Final = frozenset({"gt", "ge", "lt", "le"})
_FIELD: Final = re.compile(r"[^.\s]{1,100}")
_NUMBER: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_EXPRESSION: Final = re.compile(
    r"\s*\$\{\s*([A-Za-z_]\w{0,99})\s*(>=|<=|==|!=|>|<)\s*"
    r"(?:'([^']*)'|\"([^\"]*)\"|([\w.-]+))\s*\}\s*"
)


class Conditions:
    """Reads them, and collects the fields that they name."""

    def __init__(self, form: Form, notes: Notes) -> None:
        self._form = form
        self._notes = notes

    def comparison(self, path: str, name: str, op: str, value: Any, *, title: str = "") -> dict[str, Any] | None:
        """One comparison; None, and a note, if there is nothing like it."""
        known = _OPS.get(op.strip().lower())
        if known is None or not _FIELD.fullmatch(name):
            self._notes.dropped(path, f"The condition {name!r} {op!r} cannot be said here.")
            return None
        plain = str(value).strip() if isinstance(value, str | int | float) else value
        is_number = known in _ORDER and isinstance(plain, str) and _NUMBER.fullmatch(plain) is not None
        field = self._form.add(name, title, is_number=is_number)
        if known in {"is_empty", "not_empty"}:
            return {"field": field, "op": known}
        return {"field": field, "op": known, "value": plain}

    def expression(self, path: str, written: str) -> dict[str, Any] | None:
        """`${day > 3}`: what can be read of other engines' expressions; None, and a note, for the rest."""
        found = _EXPRESSION.fullmatch(written)
        if found is None:
            self._notes.dropped(path, f"The expression {written[:80]!r} cannot be read here: write it anew.")
            return None
        value = next(each for each in found.group(3, 4, 5) if each is not None)
        return group("all", [self.comparison(path, found[1], found[2], value)])


def group(match: str, parts: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Several; None if there are none, or one cannot be read: with a part left out they would mean something else."""
    found = [part for part in parts if part is not None]
    return {"match": match, "conditions": found} if found and len(found) == len(parts) else None
