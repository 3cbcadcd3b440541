"""Cuts texts so that a push fits into what its service takes."""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from riveredge_sdk.features.messaging import PermanentFailure


def packed(content: Mapping[str, Any]) -> bytes:
    """JSON without a byte too many."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def fit(text: str, most: int, make: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What `make` makes of the text, or of as much of it as fits into `most` bytes of JSON.

    Raises:
        PermanentFailure: it is too large even without the text.
    """
    made = make(text)
    if len(packed(made)) <= most:
        return made
    # How long a text is in JSON, only writing it tells.
    fits = bisect_right(range(len(text)), most, key=lambda length: len(packed(make(text[:length] + "…"))))
    if fits == 0:
        raise PermanentFailure("The message is too large to be pushed.")
    return make(text[: fits - 1] + "…")
