"""Keyset cursors: where a page ended, signed, and good only for one list, tenant, sorting and filter."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from riveredge_sdk.context import current_context
from riveredge_sdk.problems import Invalid, invalid_field

_MAC_BYTES = 16


def encode(values: Sequence[Any], *, scope: str) -> str:
    """A cursor that continues after the row with these sort values (JSON values).

    Args:
        scope: what the cursor is good for: the list's name, its sorting and its filter.
    """
    body = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mac(body, scope) + body).decode().rstrip("=")


def decode(cursor: str, *, scope: str) -> list[Any]:
    """The sort values in a cursor.

    Raises:
        Invalid: it was not made here, or for another list, tenant, sorting or filter.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise _refused() from None
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, scope)):
        raise _refused()
    values: list[Any] = json.loads(body)
    return values


def _mac(body: bytes, scope: str) -> bytes:
    context = current_context()
    place = f"{context.tenant_id}\n{scope}\n".encode()
    return hmac.new(context.runtime.cursor_key, place + body, hashlib.sha256).digest()[:_MAC_BYTES]


def _refused() -> Invalid:
    return invalid_field(
        "query.cursor", "This cursor is of another list, filter or sorting. Begin again without one.", "cursor"
    )
