"""Until when a delay waits, where the drawing names an instant or a field."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from riveredge_approvals.ir.conditions import ConditionError


def instant_of(until: str, values: Mapping[str, Any], zone: str = "UTC") -> datetime:
    """The instant that `until` names: ISO 8601, or a field (`form.starts_on`) that holds such a text.

    A date is its midnight, and a time without an offset is meant, in `zone`.

    Raises:
        ConditionError: the field is not there, or holds no date.
    """
    written = values.get(until) if until.startswith("form.") else until
    if not isinstance(written, str):
        raise ConditionError("The delay has no date to wait for.", "延时没有可等待的日期。", until)
    try:
        if len(written) <= 10:
            return datetime.combine(date.fromisoformat(written), time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
        found = datetime.fromisoformat(written)
    except ValueError:
        raise ConditionError(
            "The delay cannot wait for this text, which is no date.", "此文本不是日期，延时无法等待。", until
        ) from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
