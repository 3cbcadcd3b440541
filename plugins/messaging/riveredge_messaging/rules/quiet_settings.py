"""Quiet hours as people and organisations write them down."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Annotated, Any

from pydantic import Field

from riveredge_messaging.rules.quiet import Window
from riveredge_messaging.rules.zones import Zone
from riveredge_messaging.settings import MessagingTenantSettings
from riveredge_sdk import Body
from riveredge_sdk.features.message_categories import WallTime


class QuietWindow(Body):
    """A time in which one is not to be disturbed. `until` before `from` is on the next day."""

    begins: Annotated[WallTime, Field(alias="from", description="For example 22:00.")]
    ends: Annotated[WallTime, Field(alias="until", description="For example 07:30.")]
    days: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]],
        Field(
            default_factory=lambda: [1, 2, 3, 4, 5, 6, 7], max_length=7, description="On which it begins; 1: Monday."
        ),
    ]


class QuietHoursIn(Body):
    """One's own quiet hours, instead of the organisation's. No windows: one may always be disturbed."""

    windows: Annotated[list[QuietWindow], Field(max_length=20)]
    zone: Annotated[Zone | None, Field(description="An IANA time zone; null: one's own.")] = None


def read_windows(kept: Sequence[Mapping[str, Any]]) -> list[Window]:
    """Windows as they are kept: with `from`, `until` and `days`."""
    return [
        Window(time.fromisoformat(each["from"]), time.fromisoformat(each["until"]), frozenset(each["days"]))
        for each in kept
    ]


def tenant_windows(settings: MessagingTenantSettings) -> list[Window]:
    """The organisation's quiet hours."""
    if not settings.quiet_from or not settings.quiet_until:
        return []
    begins, ends = time.fromisoformat(settings.quiet_from), time.fromisoformat(settings.quiet_until)
    return [Window(begins, ends, frozenset(settings.quiet_days))]
