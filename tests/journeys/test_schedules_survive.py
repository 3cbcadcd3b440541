"""Schedules while everything is killed: each instant runs, and none twice."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from riveredge_kernel.events.models import OutboxEvent

from .conftest import World
from .rows import Rows

pytestmark = [pytest.mark.slow, pytest.mark.database]

TASKS = "/api/v1/scheduling/tasks"
EVERY, SCHEDULES = 5, 6
EMIT = {"action": "scheduling.emit_event", "params": {"name": "journey"}}
EMITTED = "scheduling/emitted.journey"


def test_each_instant_runs_once_whoever_dies(any_world: World, rows: Rows, wait: Callable[..., Any]) -> None:
    """The platform is killed, then the engine, then the engine again with its memory wiped."""
    world = any_world
    world.environment["RIVEREDGE_SCHEDULING__MIN_INTERVAL_S"] = "1"
    world.engine_away()
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    # All of them have to be there by then: what lay before a schedule was made is no instant of its.
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
    end = start + timedelta(seconds=45)
    tasks = []
    for number in range(SCHEDULES):
        body = {
            **EMIT,
            "key": f"survivor-{number}",
            "title": "Survivor",
            "trigger": {"kind": "interval", "every_s": EVERY, "anchor": start.isoformat()},
            "starts_at": start.isoformat(),
            "ends_at": end.isoformat(),
            "catch_up": "fire_all",
            "catch_up_max": 100,
        }
        made = client.post(TASKS, json=body)
        assert made.status_code == 201, made.text
        tasks.append(made.json()["id"])

    time.sleep(8)
    world.kill(world.platform)
    world.start_platform()
    time.sleep(8)
    world.kill(world.engine)
    world.start_engine()
    time.sleep(8)
    world.kill(world.engine)
    for leftover in world.directory.glob("engine.db*"):
        leftover.unlink()
    world.start_engine()

    expected = [start + timedelta(seconds=EVERY * n) for n in range(45 // EVERY + 1)]

    def all_ended() -> list[list[dict[str, Any]]] | None:
        histories = [
            client.get(f"{TASKS}/{task}/fires", params={"sort": "nominal_at", "limit": 200}).json()["items"]
            for task in tasks
        ]
        done = all(len(items) >= len(expected) and all(item["finished_at"] for item in items) for items in histories)
        return histories if done else None

    histories = wait(all_ended, timeout=360, what="the end of all fires")
    for items in histories:
        assert [datetime.fromisoformat(item["nominal_at"]) for item in items] == expected
        assert {item["state"] for item in items} == {"succeeded"}
    # What each run has done, it has done once.
    assert len(rows.find(select(OutboxEvent.id).where(col(OutboxEvent.name) == EMITTED))) == SCHEDULES * len(expected)
