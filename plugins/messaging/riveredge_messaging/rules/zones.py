"""Time zones that clients name."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field


def _known(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("There is no such time zone; an IANA name is for example Europe/Berlin.") from None


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known)]
