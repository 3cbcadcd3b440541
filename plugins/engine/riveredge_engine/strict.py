"""JSON as the protocol has it: what Python reads beyond RFC 8259 is refused, since no other SDK could read it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text. Raises ValueError, also for `NaN`, `Infinity` and nesting that is too deep."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def is_text(value: str) -> bool:
    """Whether a string can be stored everywhere: without NUL and without halves of surrogate pairs."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
