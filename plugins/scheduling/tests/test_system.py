"""Schedules that plugins bring: every organisation has them, and may pause them."""

from typing import Any

import pytest

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_scheduling.system import follow_plugins
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient

from .conftest import TASKS, History

pytestmark = pytest.mark.database


@pytest.fixture
def followed(client: ApiClient, platform: ThreadedPlatform) -> int:
    """The nightly comparison has happened."""

    async def follow() -> int:
        with use_context(platform.platform.tick.context()):
            return await follow_plugins()

    return platform.run(follow())


def of_plugins(client: ApiClient, history: History, count: int = 1) -> list[dict[str, Any]]:
    """The organisation's schedules that plugins bring, once there are so many."""
    return history.wait(
        lambda: client.get("/api/v1/scheduling/system").json()["items"], lambda items: len(items) == count
    )


@pytest.mark.usefixtures("followed")
def test_they_are_there_and_only_paused(client: ApiClient, history: History) -> None:
    (task,) = of_plugins(client, history)
    assert client.get(TASKS).json()["items"] == []
    assert client.get("/api/v1/scheduling/export").json()["tasks"] == []
    assert (task["key"], task["owner_id"], task["status"]) == ("system:example.weekly", None, "active")
    place, version = f"{TASKS}/{task['id']}", {"If-Match": f'"{task["version"]}"'}
    assert client.patch(place, json={"title": "Mine"}, headers=version).status_code == 409
    assert client.patch(place, json={"take_over": True}, headers=version).status_code == 409
    assert client.delete(place, headers=version).status_code == 409
    assert client.post(f"{place}/run", json={}).status_code == 202
    (fire,) = history.ended(task, 1)
    assert fire["state"] == "succeeded", fire
    assert client.post(f"{place}/pause", json={"note": "Not here"}).json()["status"] == "paused"
    assert client.post(f"{place}/resume").json()["status"] == "active"


@pytest.mark.usefixtures("followed")
def test_they_go_and_come_with_their_plugin(client: ApiClient, history: History) -> None:
    of_plugins(client, history)
    assert client.put("/api/v1/plugins/example", json={"enabled": False}).status_code == 200
    of_plugins(client, history, 0)
    assert client.put("/api/v1/plugins/example", json={"enabled": True}).status_code == 200
    of_plugins(client, history)


@pytest.mark.usefixtures("followed")
def test_a_pause_outlives_the_next_comparison(client: ApiClient, history: History, platform: ThreadedPlatform) -> None:
    (task,) = of_plugins(client, history)
    client.post(f"{TASKS}/{task['id']}/pause", json={})

    async def follow() -> int:
        with use_context(platform.platform.tick.context()):
            return await follow_plugins()

    platform.run(follow())
    (again,) = client.get("/api/v1/scheduling/system").json()["items"]
    assert (again["id"], again["status"]) == (task["id"], "paused")


def test_nobody_gives_such_a_key(client: ApiClient) -> None:
    trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
    params = {"name": "lab"}
    body = {"key": "system:mine", "title": "x", "action": "scheduling.emit_event", "params": params, "trigger": trigger}
    answer = client.post(TASKS, json=body)
    assert [error["field"] for error in answer.json()["errors"]] == ["key"]
