"""Schedules while everything is killed: each instant runs, and none twice."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.postgres import find_postgres

from .conftest import World

pytestmark = [pytest.mark.slow, pytest.mark.database]

TASKS = "/api/v1/scheduling/tasks"
EVERY, SCHEDULES = 5, 6
EMIT = {"action": "scheduling.emit_event", "params": {"name": "journey"}}


@pytest.fixture
def dense_world(tmp_path: Path, database_kind: str) -> Iterator[World]:
    """A world where schedules may fire every few seconds, on either database."""
    environment = {"RIVEREDGE_SCHEDULING__MIN_INTERVAL_S": "1"}
    server = find_postgres() if database_kind == "postgresql" else None
    database = server.create_database() if server is not None else None
    if database is not None:
        migrate(database.owner)
        environment |= {
            "RIVEREDGE_DATABASE__URL": database.app,
            "RIVEREDGE_DATABASE__OWNER_URL": database.owner,
            "RIVEREDGE_DATABASE__SYSTEM_URL": database.system,
        }
    world = World(tmp_path, environment=environment)
    yield world
    world.close()
    if server is not None and database is not None:
        server.drop_database(database.name)


def test_each_instant_runs_once_whoever_dies(dense_world: World, wait: Callable[..., Any]) -> None:
    """The platform is killed, then the engine, then the engine again with its memory wiped."""
    world = dense_world
    world.engine_away()
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
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

    histories = wait(all_ended, timeout=240, what="the end of all fires")
    for items in histories:
        assert [datetime.fromisoformat(item["nominal_at"]) for item in items] == expected
        assert {item["state"] for item in items} == {"succeeded"}
    emitted = Counter(name for name, _ in _outbox(world) if name == "scheduling/emitted.journey")
    if emitted:
        assert emitted["scheduling/emitted.journey"] == SCHEDULES * len(expected)


def _outbox(world: World) -> list[tuple[str, str]]:
    """On SQLite, the names and states of all events."""
    try:
        return world.outbox()
    except sqlite3.OperationalError:
        return []
