"""How many messages a text is, as mobile networks count and charge them (3GPP TS 23.038 and 23.040)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each takes an escape character as well.
_EXTENDED = frozenset("\f^{}\\[~]|€")
# Units in a message by itself, and in each of several, where a header of six bytes joins them.
_SIZES = {"gsm7": (160, 153), "ucs2": (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text takes. `units` are septets in GSM-7, and 16-bit units in UCS-2."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    count: int


def segments(text: str) -> Segments:
    """Count the messages of a text; an empty one is one message.

    One character that GSM-7 lacks makes all of it UCS-2. Neither an escaped character nor one of two 16-bit units (most
    emoji) is split over two messages, so a text can take one more than its units would.
    """
    is_gsm = all(character in _BASIC or character in _EXTENDED for character in text)
    encoding: Literal["gsm7", "ucs2"] = "gsm7" if is_gsm else "ucs2"
    sizes = [1 + (c in _EXTENDED if is_gsm else ord(c) > 0xFFFF) for c in text]
    alone, joined = _SIZES[encoding]
    units = sum(sizes)
    return Segments(encoding, units, 1 if units <= alone else _packed(sizes, joined))


def _packed(sizes: Iterable[int], room: int) -> int:
    count, left = 1, room
    for size in sizes:
        if size > left:
            count, left = count + 1, room
        left -= size
    return count
