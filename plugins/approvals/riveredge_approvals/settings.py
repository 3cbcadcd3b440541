"""What organisations settle for their approvals."""

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from riveredge_sdk import TenantSettings


class ApprovalsTenantSettings(TenantSettings):
    """A tenant's own."""

    working_hours: Annotated[
        tuple[str, ...],
        Field(
            title="Working hours",
            description='Of each workday: "09:00-12:00", "13:30-18:00". Deadlines in working time count these only.',
            min_length=1,
            max_length=6,
        ),
    ] = ("09:00-18:00",)
    zone: Annotated[
        str,
        Field(title="Time zone", description="IANA name. Empty: the organisation's.", max_length=64),
    ] = ""
    calendar: Annotated[
        str,
        Field(
            title="Calendar",
            description="Key of a calendar of the scheduling plugin. Empty: people work from Monday to Friday.",
            max_length=100,
        ),
    ] = ""
    urge_every_minutes: Annotated[
        int,
        Field(title="Minutes between urges", description="A request is urged once in this time.", ge=1, le=10_080),
    ] = 60
    mail_link_hours: Annotated[
        int,
        Field(
            title="Hours for which links in mails hold",
            description="Links by which people decide from a mail end earlier if the task does.",
            ge=1,
            le=2_160,
        ),
    ] = 336

    @field_validator("working_hours")
    @classmethod
    def _are_spans(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_spans(value)
        return value

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            if value:
                ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("expected an IANA name such as Asia/Shanghai") from None
        return value


def read_spans(texts: tuple[str, ...]) -> tuple[tuple[time, time], ...]:
    """Working hours from their written form.

    Raises:
        ValueError: one is none, or they overlap or are out of order.
    """
    spans: list[tuple[time, time]] = []
    for text in texts:
        begin, dash, end = text.partition("-")
        try:
            span = (time.fromisoformat(begin.strip()), time.fromisoformat(end.strip()))
        except ValueError:
            raise ValueError(f"{text[:40]!r}: expected hours such as 09:00-18:00") from None
        if not dash or any(each.tzinfo is not None for each in span) or span[0] >= span[1]:
            raise ValueError(f"{text[:40]!r}: expected hours such as 09:00-18:00, the earlier one first")
        if spans and spans[-1][1] > span[0]:
            raise ValueError(f"{text[:40]!r} begins before the hours in front of it end")
        spans.append(span)
    return tuple(spans)
