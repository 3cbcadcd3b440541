"""Texts are counted as networks charge them."""

import pytest

from riveredge_messaging.channels.segments import Segments, segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "gsm7", 0, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("@£Δ¿à\n", "gsm7", 6, 1),
        ("€" * 80, "gsm7", 160, 1),
        # 153 is odd, so the last septet of a message stays empty.
        ("€" * 81, "gsm7", 162, 2),
        ("€" * 153, "gsm7", 306, 3),
        ("a" + "€" * 76 + "b" * 8, "gsm7", 161, 2),
        ("ç", "ucs2", 1, 1),
        ("`", "ucs2", 1, 1),
        ("河" * 70, "ucs2", 70, 1),
        ("河" * 71, "ucs2", 71, 2),
        ("河" * 134, "ucs2", 134, 2),
        ("河" * 135, "ucs2", 135, 3),
        ("a" * 70 + "河", "ucs2", 71, 2),
        ("😀" * 35, "ucs2", 70, 1),
        ("😀" * 36, "ucs2", 72, 2),
        # 67 is odd as well: 33 emoji a message.
        ("😀" * 67, "ucs2", 134, 3),
    ],
)
def test_a_text_is_so_many_messages(text: str, encoding: str, units: int, count: int) -> None:
    assert segments(text) == Segments(encoding, units, count)  # type: ignore[arg-type]
