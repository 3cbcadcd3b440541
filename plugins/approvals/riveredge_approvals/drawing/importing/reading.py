"""Read foreign documents, in which anything may stand anywhere."""

from collections.abc import Mapping
from typing import Any


class ImportFailedError(ValueError):
    """It is none of the formats, or not the one that was named."""


def mapping(value: Any) -> Mapping[str, Any]:
    """It, if it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or the values of an object by ids; nothing else."""
    parts = list(value.values()) if isinstance(value, Mapping) else value
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def text(value: Any, longest: int = 200) -> str:
    """A text, shortened; of numbers their digits, of anything else nothing."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip()[:longest]
    return ""


def number(value: Any) -> int | None:
    """A whole number; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
