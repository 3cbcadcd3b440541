"""What is due happens, once each, whoever dies meanwhile: the platform, the engine, or the engine's memory."""

import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert
from sqlmodel import col, select

from riveredge_example.models import Chime, Note
from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.timers.models import Heartbeat, Timer
from riveredge_sdk import utcnow, uuid7

from .rows import Rows

pytestmark = [pytest.mark.database, pytest.mark.slow]

NOTES = "/api/v1/example/notes"
CHIMES = 600
SECONDS = 24


def add_chimes(rows: Rows, count: int, first: datetime, seconds: int) -> None:
    """Chimes that are due once, spread over some seconds."""

    async def write() -> None:
        async with rows.database.system("test", rows.runtime) as session:
            tenant = (await session.exec(select(Tenant.id))).one()
            note = Note(tenant_id=tenant, title="Chimes")
            session.add(note)
            await session.flush()
            now = utcnow()
            common = {"tenant_id": tenant, "note_id": note.id, "every_seconds": 86_400, "chimed": 0}
            stamps = {"created_at": now, "updated_at": now, "version": 1}
            chimes = [
                {"id": uuid7(), "next_at": first + timedelta(seconds=n % seconds), **common, **stamps}
                for n in range(count)
            ]
            await session.exec(insert(Chime), params=chimes)

    rows.run(write())


def chimed(rows: Rows) -> Counter[int]:
    """How many chimes have chimed how often."""
    return Counter(rows.find(select(Chime.chimed)))


def planned(world: Any, rows: Rows) -> bool:
    """Whether a tick has planned chimes. It asks for what the cron does at the next full minute."""
    event = {"name": "kernel/tick.requested", "data": {}}
    httpx2.post(f"http://127.0.0.1:{world.engine_port}/e/any", json=event).raise_for_status()
    return bool(rows.find(select(Chime.id).where(col(Chime.planned_for).is_not(None))))


def remind(client: httpx2.Client, count: int, first: float, seconds: int) -> set[UUID]:
    """Notes with reminders, spread over some seconds; their ids."""
    made = set()
    for number in range(count):
        due = utcnow() + timedelta(seconds=first + number % seconds)
        answer = client.post(NOTES, json={"title": f"{number}", "remind_at": due.isoformat()})
        assert answer.status_code == 201
        made.add(UUID(answer.json()["id"]))
    return made


def begun(client: httpx2.Client) -> Counter[str]:
    """How many runs of the reminders' function have begun, by their events; refused ones do not count."""
    items = client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
    mine = [run for run in items if run["function"] == "example.remind" and run["status"] != "cancelled"]
    return Counter(run["event_id"] for run in mine)


def started(any_world: Any) -> httpx2.Client:
    """Engine and platform run, and somebody is signed in."""
    any_world.engine_away()
    any_world.start_engine()
    any_world.start_platform()
    client: httpx2.Client = any_world.sign_in()
    return client


def test_platform_and_engine_are_killed_in_the_middle(any_world: Any, rows: Rows, wait: Any) -> None:
    client = started(any_world)
    first = (utcnow() + timedelta(seconds=8)).replace(microsecond=0)
    add_chimes(rows, CHIMES, first, SECONDS)
    notes = remind(client, 24, 8, SECONDS)
    wait(lambda: planned(any_world, rows))
    wait(lambda: chimed(rows)[1] > CHIMES // 6, what="the first chimes", timeout=60)
    any_world.kill(any_world.platform)
    any_world.start_platform()
    wait(lambda: chimed(rows)[1] > CHIMES // 2, what="half of the chimes", timeout=60)
    any_world.kill(any_world.engine)
    any_world.start_engine()
    wait(lambda: chimed(rows) == {1: CHIMES}, what="every chime", timeout=120)
    wait(lambda: len(begun(client)) == len(notes), what="every reminder", timeout=120)
    time.sleep(2)
    assert chimed(rows) == {1: CHIMES}
    assert set(begun(client).values()) == {1}
    reminders = select(Timer.state).where(col(Timer.owner_kind) == "example.note")
    assert Counter(rows.find(reminders)) == {"fired": len(notes)}


def test_the_engine_loses_its_memory(any_world: Any, rows: Rows, wait: Any) -> None:
    client = started(any_world)
    notes = remind(client, 12, 6, 6) | remind(client, 6, 100, 6)
    first = (utcnow() + timedelta(seconds=8)).replace(microsecond=0)
    add_chimes(rows, 60, first, 6)
    wait(lambda: planned(any_world, rows))
    any_world.kill(any_world.engine)
    for file in any_world.directory.glob("engine.db*"):
        file.unlink()
    any_world.start_engine()
    # Nobody registers the functions but the watchdog, which sees that the tick has stopped.
    wait(lambda: len(begun(client)) == len(notes), what="every reminder", timeout=240)
    wait(lambda: chimed(rows) == {1: 60}, what="every chime", timeout=120)
    assert set(begun(client).values()) == {1}
    (beat,) = rows.find(select(Heartbeat))
    assert (utcnow() - beat.beat_at).total_seconds() < 120
