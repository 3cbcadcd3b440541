"""Events arrive, once each, whoever dies: the engine, the platform, or the engine's memory."""

import time
from typing import Any

import httpx2
import pytest

NOTES = "/api/v1/example/notes"


def runs_of(client: httpx2.Client, function: str) -> list[dict[str, Any]]:
    """The runs of a function, as the API tells."""
    items = client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
    return [run for run in items if run["function"] == function]


def completed(client: httpx2.Client, count: int) -> bool:
    """Whether there are exactly so many completed runs of the example's function."""
    return [run["status"] for run in runs_of(client, "example.trim")] == ["completed"] * count


@pytest.mark.slow
def test_each_event_runs_its_function_once(world: Any, wait: Any) -> None:
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    for number in range(5):
        assert client.post(NOTES, json={"title": f"{number}"}).status_code == 201
    wait(lambda: completed(client, 5), what="a run for each event", timeout=60)
    time.sleep(1)
    assert completed(client, 5)
    assert {state for _, state in world.outbox()} == {"confirmed"}


@pytest.mark.slow
def test_requests_go_on_while_the_engine_is_away(world: Any, wait: Any) -> None:
    world.engine_away()
    world.start_platform()
    client = world.sign_in()
    for number in range(5):
        assert client.post(NOTES, json={"title": f"{number}"}).status_code == 201
    assert client.get("/health/ready").status_code == 200
    assert [state for _, state in world.outbox()] == ["pending"] * 5
    world.start_engine()
    wait(lambda: completed(client, 5), what="the delivery of all events", timeout=60)
    time.sleep(1)
    assert completed(client, 5)
    assert len({run["event_id"] for run in runs_of(client, "example.trim")}) == 5


@pytest.mark.slow
def test_a_platform_killed_between_commit_and_send_loses_and_doubles_nothing(world: Any, wait: Any) -> None:
    world.start_platform()
    client = world.sign_in()
    for number in range(3):
        assert client.post(NOTES, json={"title": f"{number}"}).status_code == 201
    world.kill(world.platform)
    if not world.given:
        assert [state for _, state in world.outbox()] == ["pending"] * 3
    world.start_engine()
    world.start_platform()
    wait(lambda: completed(client, 3), what="the delivery of what was committed", timeout=60)
    time.sleep(2)
    assert completed(client, 3)
    assert {state for _, state in world.outbox()} == {"confirmed"}


@pytest.mark.slow
def test_a_killed_engine_goes_on_where_it_was(world: Any, wait: Any) -> None:
    world.engine_away()
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    wait(lambda: client.post(NOTES, json={"title": "first"}).status_code == 201, what="a note")
    wait(lambda: completed(client, 1), what="the first run")
    world.kill(world.engine)
    assert client.post(NOTES, json={"title": "second"}).status_code == 201
    world.start_engine()
    wait(lambda: completed(client, 2), what="the second run", timeout=60)
