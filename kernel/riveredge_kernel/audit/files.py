"""The audit log as a file."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

_COLUMNS = (
    "created_at", "action", "object_kind", "object_id", "object_title", "actor_kind", "actor_id", "actor_name",
    "api_key_id", "address", "request_id", "run_id", "details", "id",
)  # fmt: skip
# What makes a spreadsheet take a cell for a formula (OWASP: CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CSV_HEAD = (",".join(_COLUMNS) + "\r\n").encode()


def as_ndjson(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line."""
    return b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)


def as_csv(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Lines of a table (RFC 4180) without its head."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL)
    lines.writerows([_cell(entry[column]) for column in _COLUMNS] for entry in entries)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
