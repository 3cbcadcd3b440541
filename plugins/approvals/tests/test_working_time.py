"""Working time: hours of the settings, days of a calendar of the scheduling plugin, over changes of clocks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from riveredge_approvals.effects.working_time import due_at
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant

SETTINGS = "/api/v1/settings/approvals"
SHANGHAI = {"working_hours": ["09:00-12:00", "13:30-18:00"], "zone": "Asia/Shanghai"}
# 2026-10-01 to 07 is off, and Saturday the 10th is worked in its stead.
HOLIDAYS = {
    "key": "cn",
    "title": "China",
    "weekdays": [1, 2, 3, 4, 5],
    "days": [
        *({"date": f"2026-10-0{day}", "name": "National Day", "kind": "holiday"} for day in range(1, 8)),
        {"date": "2026-10-10", "name": "", "kind": "workday"},
    ],
}


def when(  # noqa: PLR0917
    platform: PlatformUnderTest,
    tenant: TestTenant,
    start: str,
    hours: float,
    clock: Any = "working",
    calendar: Any = None,
) -> str:
    """The due time, as UTC."""

    async def ask() -> datetime:
        with use_context(platform.context(tenant)):
            async with unit_of_work(read_only=True):
                return await due_at(datetime.fromisoformat(start), int(hours * 3600), clock, calendar)

    return platform.run(ask()).astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


@pytest.mark.database
def test_deadlines_count_working_time(client: ApiClient, platform: PlatformUnderTest, tenant: TestTenant) -> None:
    for wrong, word in (
        ({"working_hours": ["18:00-09:00"]}, "earlier"),
        ({"working_hours": ["09:00-12:00", "11:00-13:00"]}, "begins before"),
        ({"working_hours": []}, "at least 1"),
        ({"zone": "Mars/Base"}, "IANA"),
    ):
        refused = client.put(SETTINGS, json=wrong)
        assert refused.status_code == 422, refused.text
        assert word in refused.text
    # By default: 09:00 to 18:00 from Monday to Friday, in the organisation's zone, which is UTC.
    assert when(platform, tenant, "2026-11-27T17:00+00:00", 2) == "2026-11-30T10:00Z"
    assert when(platform, tenant, "2026-11-27T17:00+00:00", 2, "calendar") == "2026-11-27T19:00Z"
    assert client.post("/api/v1/scheduling/calendars", json=HOLIDAYS).status_code == 201
    assert client.put(SETTINGS, json={**SHANGHAI, "calendar": "cn"}).status_code == 200
    for start, hours, expected in (
        # Over lunch, over night, from before work, from a Sunday.
        ("2026-11-25T11:30+08:00", 1, "2026-11-25T06:00Z"),
        ("2026-11-25T17:30+08:00", 1, "2026-11-26T01:30Z"),
        ("2026-11-25T03:00+08:00", 7.5, "2026-11-25T10:00Z"),
        ("2026-11-29T12:00+08:00", 0.5, "2026-11-30T01:30Z"),
        # Over the holidays, and into the Saturday that is worked.
        ("2026-09-30T17:00+08:00", 2, "2026-10-08T02:00Z"),
        ("2026-10-09T17:00+08:00", 2, "2026-10-10T02:00Z"),
        # A month and more: 40 working days of 7.5 hours.
        ("2026-11-02T09:00+08:00", 300, "2026-12-25T10:00Z"),
    ):
        assert when(platform, tenant, start, hours) == expected, start
    # A process may name a calendar of its own; one that is gone leaves Monday to Friday.
    assert when(platform, tenant, "2026-09-30T17:00+08:00", 2, calendar="gone") == "2026-10-01T02:00Z"
    # Clocks in Berlin go back in the night to Sunday, and the hour twice is nobody's working time.
    assert client.put(SETTINGS, json={"zone": "Europe/Berlin"}).status_code == 200
    assert when(platform, tenant, "2026-10-23T17:00+02:00", 2) == "2026-10-26T09:00Z"


def test_without_workdays_the_clock_on_the_wall_counts(
    client: ApiClient, platform: PlatformUnderTest, tenant: TestTenant
) -> None:
    never = {"key": "never", "title": "Nobody works", "weekdays": [], "days": []}
    made = client.post("/api/v1/scheduling/calendars", json=never)
    assert made.status_code == 201, made.text
    assert when(platform, tenant, "2026-11-25T12:00+00:00", 2, calendar="never") == "2026-11-25T14:00Z"
