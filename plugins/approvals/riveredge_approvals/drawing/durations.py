"""Durations of ISO 8601: `PT8H`, `P1DT12H`, `P2W`."""

import re
from typing import Final

MAX_S: Final = 10 * 366 * 86_400
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,10})S)?)?"
)
_SECONDS: Final = {"weeks": 7 * 86_400, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}


def read_duration(text: str) -> int:
    """Its seconds. Years and months have no fixed length, and are not taken.

    Raises:
        ValueError: it is none, or not within a second and ten years.
    """
    found = _DURATION.fullmatch(text)
    seconds = sum(int(found[unit]) * _SECONDS[unit] for unit in _SECONDS if found[unit]) if found else 0
    if found is None or text.endswith("T"):
        raise ValueError(f"{text[:40]!r} is no duration such as PT8H, P1DT12H or P2W")
    if not 1 <= seconds <= MAX_S:
        raise ValueError(f"{text[:40]!r} is not between a second and ten years")
    return seconds
