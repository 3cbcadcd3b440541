"""What the tests of scheduling share."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient

TASKS = "/api/v1/scheduling/tasks"
Make = Callable[..., dict[str, Any]]
Fires = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def make(client: ApiClient) -> Make:
    """`make(trigger={…}, …)`: a schedule that emits an event, at midnight of New Year unless said otherwise."""

    def create(by: ApiClient | None = None, **fields: Any) -> dict[str, Any]:
        body = {
            "key": f"t{time.monotonic_ns()}",
            "title": "A task",
            "action": "scheduling.emit_event",
            "params": {"name": "test"} if "action" not in fields else {},
            "trigger": {"kind": "cron", "expression": "0 0 1 1 *"},
            "zone": "UTC",
            **fields,
        }
        answer = (by or client).post(TASKS, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return create


@pytest.fixture
def fires(client: ApiClient) -> Fires:
    """`fires(task)`: its history, oldest first; `fires(task, 2)` waits until so many have ended."""

    def read(task: dict[str, Any], ended: int = 0, timeout: float = 30) -> list[dict[str, Any]]:
        deadline = time.monotonic() + timeout
        while True:
            answer = client.get(f"{TASKS}/{task['id']}/fires", params={"sort": "nominal_at", "limit": 200})
            assert answer.status_code == 200, answer.text
            items: list[dict[str, Any]] = answer.json()["items"]
            if len([item for item in items if item["finished_at"]]) >= ended:
                return items
            assert time.monotonic() < deadline, items
            time.sleep(0.05)

    return read


def states(items: Sequence[dict[str, Any]]) -> list[str]:
    """The states of fires."""
    return [item["state"] for item in items]
