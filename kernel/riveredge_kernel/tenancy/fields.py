"""What an organisation's language and time zone may be, wherever they are set."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from riveredge_kernel.http.gate import LOCALES


def _known_locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"expected one of {', '.join(LOCALES)}")
    return value


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("expected an IANA zone, for example Asia/Shanghai")
    return value


TenantName = Annotated[str, Field(min_length=1, max_length=200)]
Locale = Annotated[
    str, AfterValidator(_known_locale), Field(description="One of the languages spoken here: " + ", ".join(LOCALES))
]
Timezone = Annotated[str, AfterValidator(_known_zone), Field(description="An IANA zone, for example Asia/Shanghai.")]
