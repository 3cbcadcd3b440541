"""What people draw as their signature: strokes, or a small PNG. Everything else is refused, and nothing is rendered."""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

MAX_SIDE = 2000
MAX_PNG = 150_000
MAX_STROKES = 200
MAX_POINTS = 8000
_MAGIC = b"\x89PNG\r\n\x1a\n"
# Samples in a pixel, by colour type.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
# Texts, profiles and times say nothing of what was drawn, and are a place to hide something.
_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"bKGD", b"sBIT"})

Coordinate = Annotated[int, Field(ge=0, le=MAX_SIDE)]
Point = tuple[Coordinate, Coordinate]


def check_strokes(strokes: list[list[Point]]) -> None:
    """See that something was drawn, and not too much.

    Raises:
        ValueError: saying what is wrong.
    """
    points = sum(len(stroke) for stroke in strokes)
    if points > MAX_POINTS:
        raise ValueError(f"at most {MAX_POINTS} points in all")
    if len({point for stroke in strokes for point in stroke}) < 2:
        raise ValueError("nothing is drawn")


def check_png(text: str) -> str:
    """See that it is a whole PNG of at most `MAX_SIDE` pixels a side, whose pixels are all there; as it came.

    Args:
        text: base64.

    Raises:
        ValueError: saying what is wrong.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64") from None
    if len(raw) > MAX_PNG:
        raise ValueError(f"at most {MAX_PNG} bytes")
    if not raw.startswith(_MAGIC):
        raise ValueError("expected a PNG")
    chunks = list(_chunks(raw))
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or kinds.count(b"IHDR") + kinds.count(b"IEND") != 2:
        raise ValueError("the PNG is not whole")
    if unknown := set(kinds) - _CHUNKS:
        raise ValueError(f"a PNG of pixels alone is wanted, without {min(unknown).decode('latin-1')!r}")
    _check_pixels(_size(chunks[0][1]), b"".join(content for kind, content in chunks if kind == b"IDAT"))
    return text


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_MAGIC)
    while at < len(raw):
        if at + 12 > len(raw):
            raise ValueError("the PNG is not whole")
        length, kind = struct.unpack_from(">I4s", raw, at)
        content = raw[at + 8 : at + 8 + length]
        sums = raw[at + 8 + length : at + 12 + length]
        if len(content) != length or sums != struct.pack(">I", zlib.crc32(kind + content)):
            raise ValueError("the PNG is not whole")
        yield kind, content
        at += 12 + length


def _size(header: bytes) -> int:
    """How many bytes the pixels of an image have, with the filter byte of each line."""
    if len(header) != 13:
        raise ValueError("the PNG is not whole")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if not 1 <= width <= MAX_SIDE or not 1 <= height <= MAX_SIDE:
        raise ValueError(f"at most {MAX_SIDE} by {MAX_SIDE} pixels")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace:
        raise ValueError("expected a PNG that is not interlaced")
    return int(height * ((width * depth * _SAMPLES[colour] + 7) // 8 + 1))


def _check_pixels(size: int, packed: bytes) -> None:
    unpacker = zlib.decompressobj()
    seen = 0
    try:
        # In parts: a few bytes unpack to a great many.
        while packed and seen <= size:
            seen += len(unpacker.decompress(packed, 65_536))
            packed = unpacker.unconsumed_tail
    except zlib.error:
        raise ValueError("the PNG is not whole") from None
    if seen != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError("the PNG is not whole")
