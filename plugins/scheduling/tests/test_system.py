"""Schedules that plugins bring: every organisation has them, and may pause them."""

from typing import Any

import pytest

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_scheduling.system import follow_plugins
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient

from .conftest import TASKS, History

pytestmark = pytest.mark.database


def of_plugins(client: ApiClient) -> list[dict[str, Any]]:
    """The organisation's schedules that plugins bring."""
    items: list[dict[str, Any]] = client.get("/api/v1/scheduling/system").json()["items"]
    return items


def follow(platform: ThreadedPlatform) -> None:
    """The nightly comparison."""

    async def compare() -> int:
        with use_context(platform.platform.tick.context()):
            return await follow_plugins()

    platform.run(compare())


def test_they_are_there_from_the_first_moment_and_only_paused(client: ApiClient, history: History) -> None:
    (task,) = of_plugins(client)
    assert client.get(TASKS).json()["items"] == []
    assert client.get("/api/v1/scheduling/export").json()["tasks"] == []
    assert (task["key"], task["owner_id"], task["status"]) == ("system:example.weekly", None, "active")
    place, version = f"{TASKS}/{task['id']}", {"If-Match": f'"{task["version"]}"'}
    assert client.patch(place, json={"title": "Mine"}, headers=version).status_code == 409
    assert client.patch(place, json={"take_over": True}, headers=version).status_code == 409
    assert client.delete(place, headers=version).status_code == 409
    assert client.post(f"{place}/run", json={}).status_code == 202
    fire = next(item for item in history.ended(task, 1) if item["kind"] == "manual")
    assert fire["state"] == "succeeded", fire
    assert client.post(f"{place}/pause", json={"note": "Not here"}).json()["status"] == "paused"
    assert client.post(f"{place}/resume").json()["status"] == "active"


def test_they_go_and_come_with_their_plugin_and_with_scheduling(client: ApiClient) -> None:
    def switch(plugin: str, *, enabled: bool) -> None:
        assert client.put(f"/api/v1/plugins/{plugin}", json={"enabled": enabled}).status_code == 200

    switch("example", enabled=False)
    assert of_plugins(client) == []
    switch("scheduling", enabled=False)
    switch("example", enabled=True)
    switch("scheduling", enabled=True)
    assert [task["key"] for task in of_plugins(client)] == ["system:example.weekly"]


def test_the_nightly_comparison_keeps_pauses_and_follows_the_zone(
    client: ApiClient, platform: ThreadedPlatform
) -> None:
    (task,) = of_plugins(client)
    assert task["zone"] == "UTC"
    version = client.get("/api/v1/tenant").headers["ETag"]
    moved = client.patch("/api/v1/tenant", json={"timezone": "Asia/Shanghai"}, headers={"If-Match": version})
    assert moved.status_code == 200
    client.post(f"{TASKS}/{task['id']}/pause", json={})
    follow(platform)
    (again,) = of_plugins(client)
    assert (again["id"], again["status"], again["zone"]) == (task["id"], "paused", "Asia/Shanghai")
    assert client.post(f"{TASKS}/{task['id']}/resume").json()["next_nominal_at"].endswith("T22:00:00Z")


def test_nobody_gives_such_a_key(client: ApiClient) -> None:
    trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
    params = {"name": "lab"}
    body = {"key": "system:mine", "title": "x", "action": "scheduling.emit_event", "params": params, "trigger": trigger}
    answer = client.post(TASKS, json=body)
    assert [error["field"] for error in answer.json()["errors"]] == ["key"]
