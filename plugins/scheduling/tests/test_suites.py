"""Scheduling passes what every plugin should."""

from typing import ClassVar

from riveredge_scheduling import plugin
from riveredge_scheduling.actions.emit_event import EmitEvent
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TaskActionSuite, TenancySuite


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


class TestEmitEvent(TaskActionSuite):
    action = EmitEvent()
    params: ClassVar[dict[str, object]] = {"name": "lab", "data": {"a": 1}}
    refused: ClassVar[list[dict[str, object]]] = [{"name": "Has Spaces"}, {"name": "a..b"}, {"name": "kernel/tick"}]

    def effects(self, client: ApiClient) -> int:
        runs = client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
        return len([run for run in runs if run["function"] == "lab.listen"])
