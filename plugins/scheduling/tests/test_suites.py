"""Scheduling passes what every plugin should."""

from typing import ClassVar

from riveredge_scheduling import plugin
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TenancySuite


class TestScheduling(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfScheduling(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        calendar = client.post("/api/v1/scheduling/calendars", json={"key": "secret", "title": "Secret"})
        assert calendar.status_code == 201, calendar.text
        task = {
            "key": "secret",
            "title": "Secret",
            "action": "scheduling.emit_event",
            "params": {"name": "secret"},
            "trigger": {"kind": "cron", "expression": "0 0 1 1 *"},
            "calendar_id": calendar.json()["id"],
        }
        made = client.post("/api/v1/scheduling/tasks", json=task)
        assert made.status_code == 201, made.text
        assert client.post(f"/api/v1/scheduling/tasks/{made.json()['id']}/skip-next").status_code == 200
