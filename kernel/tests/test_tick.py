"""The tick: sources of due rows, several claimers, tenants that are not served, the watchdog, and what is pruned."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update
from sqlmodel import col, select

from riveredge_example.chimes import Chimes
from riveredge_example.models import Chime, Note
from riveredge_example.schemas import NotePayload
from riveredge_example.service import REMINDER_DUE
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.models import Run
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_kernel.timers.clock import Clock
from riveredge_kernel.timers.models import Heartbeat, Timer
from riveredge_kernel.timers.tick import BEAT
from riveredge_kernel.timers.watchdog import Watchdog
from riveredge_sdk import timers, unit_of_work, uuid7
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant

pytestmark = pytest.mark.database


def rows(platform: ThreadedPlatform, query: Any) -> list[Any]:
    """What a query finds across tenants."""

    async def read() -> list[Any]:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            return list((await session.exec(query)).all())

    return platform.run(read())


def change(platform: ThreadedPlatform, statement: Any) -> None:
    """Run a statement across tenants."""

    async def write() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            await session.exec(statement)

    platform.run(write())


def add_chimes(platform: ThreadedPlatform, tenant: TestTenant, count: int, *, due_in: float, every: int) -> list[UUID]:
    """Chimes of one note; their ids."""

    async def write() -> list[UUID]:
        runtime, now = platform.platform.runtime, platform.now()
        async with platform.platform.database.system("test", runtime) as session:
            note = Note(tenant_id=tenant.id, title="Chimes")
            session.add(note)
            await session.flush()
            ids = [uuid7() for _ in range(count)]
            due = (now + timedelta(seconds=due_in)).replace(microsecond=0)
            same = {"tenant_id": tenant.id, "note_id": note.id, "every_seconds": every, "next_at": due, "chimed": 0}
            stamps = {"created_at": now, "updated_at": now, "version": 1}
            await session.exec(insert(Chime), params=[{"id": made, **same, **stamps} for made in ids])
        return ids

    return platform.run(write())


def chimed(platform: ThreadedPlatform, tenant: TestTenant) -> Counter[int]:
    """How many chimes have chimed how often."""
    return Counter(rows(platform, select(Chime.chimed).where(col(Chime.tenant_id) == tenant.id)))


def set_reminder(platform: ThreadedPlatform, tenant: TestTenant, note: str, seconds: float) -> None:
    """A reminder of a note."""

    async def put() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                due = platform.now() + timedelta(seconds=seconds)
                payload = NotePayload(note_id=UUID(note), author_id=None)
                await timers.set(timers.Owner("example.note", note), "reminder", due, REMINDER_DUE, payload)

    platform.run(put())


def states(platform: ThreadedPlatform, tenant: TestTenant) -> list[str]:
    """The states of the tenant's timers."""
    return rows(platform, select(Timer.state).where(col(Timer.tenant_id) == tenant.id))


def suspend(platform: ThreadedPlatform, tenant: TestTenant, *, active: bool = False) -> None:
    """Suspend the tenant, or let it be active again."""
    status = TenantStatus.ACTIVE if active else TenantStatus.SUSPENDED
    change(platform, update(Tenant).where(col(Tenant.id) == tenant.id).values(status=status))
    platform.platform.functions._around.tenants.invalidate(tenant.id)


def reminders(client: ApiClient, note: str) -> int:
    count: int = client.get(f"/api/v1/example/notes/{note}").json()["reminders"]
    return count


def test_a_sources_rows_fire_again_and_again(
    platform: ThreadedPlatform, tenant: TestTenant, other_tenant: TestTenant, engine: EngineControl
) -> None:
    add_chimes(platform, tenant, 3, due_in=30, every=3600)
    add_chimes(platform, other_tenant, 2, due_in=30, every=7200)
    engine.advance(seconds=25)
    assert chimed(platform, tenant) == {0: 3}
    engine.advance(hours=3)
    # At 0, 1 and 2 hours and 30 seconds, and at the even ones.
    assert chimed(platform, tenant) == {3: 3}
    assert chimed(platform, other_tenant) == {2: 2}


def test_four_claimers_claim_no_row_twice(
    platform: ThreadedPlatform, tenant: TestTenant, engine: EngineControl
) -> None:
    ids = add_chimes(platform, tenant, 4500, due_in=45, every=86_400)

    async def claim() -> list[int]:
        claims = await asyncio.gather(*(platform.platform.tick.claim() for _ in range(4)))
        return [claimed.count for claimed in claims]

    assert sum(platform.run(claim())) >= len(ids)
    events = rows(platform, select(OutboxEvent).where(col(OutboxEvent.name) == "kernel/fires.due"))
    sent = Counter(fire for event in events for _, fire in event.data["fires"])
    assert [sent[str(chime)] for chime in ids] == [1] * len(ids)
    assert max(len(event.data["fires"]) for event in events) <= timers.MAX_CHUNK
    engine.advance(seconds=60)
    assert chimed(platform, tenant) == {1: len(ids)}


def test_a_source_that_fails_does_not_stop_the_others(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl, monkeypatch: Any
) -> None:
    async def fail(*_: object) -> int:
        raise LookupError("broken")

    note = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()["id"]
    set_reminder(platform, tenant, note, 3600)
    tick = platform.platform.tick
    engine.advance(minutes=1)
    with monkeypatch.context() as patch:
        patch.setattr(Chimes, "claim", fail)
        engine.advance(minutes=0)
        set_reminder(platform, tenant, note, 1)
        platform.run(tick.claim())
        assert tick.failures == {"example.chimes.claim": "LookupError: broken"}
        check = client.get("/health/ready").json()
        (line,) = [line for line in check["checks"] if line["id"] == "kernel.tick"]
        assert (check["status"], line["state"], line["detail"]) == (
            "degraded",
            "degraded",
            "example.chimes.claim: LookupError: broken",
        )
    platform.run(tick.claim())
    assert tick.failures == {}


def test_timers_of_a_suspended_tenant_wait(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()["id"]
    set_reminder(platform, tenant, note, 600)
    suspend(platform, tenant)
    engine.advance(hours=1)
    assert states(platform, tenant) == ["held"]
    suspend(platform, tenant, active=True)
    engine.advance(minutes=2)
    assert (states(platform, tenant), reminders(client, note)) == (["fired"], 1)


def test_timers_of_a_plugin_that_is_off_wait(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()["id"]
    set_reminder(platform, tenant, note, 30)
    assert client.put("/api/v1/plugins/example", json={"enabled": False}).status_code == 200
    engine.advance(minutes=10)
    assert states(platform, tenant) == ["held"]
    assert client.put("/api/v1/plugins/example", json={"enabled": True}).status_code == 200
    engine.advance(minutes=2)
    assert (states(platform, tenant), reminders(client, note)) == (["fired"], 1)


def test_a_held_timer_can_be_cancelled(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()["id"]
    set_reminder(platform, tenant, note, 30)
    suspend(platform, tenant)
    engine.advance(minutes=1)
    assert states(platform, tenant) == ["held"]
    suspend(platform, tenant, active=True)

    async def cancel() -> int:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                return await timers.cancel(timers.Owner("example.note", note))

    assert platform.run(cancel()) == 1
    engine.advance(minutes=2)
    assert (states(platform, tenant), reminders(client, note)) == (["cancelled"], 0)


def test_serving_a_tenant_is_refused_where_it_would_be_for_a_function(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    async def serve(tenant_id: UUID, plugin: str = "example") -> str:
        with use_context(platform.platform.tick.context()):
            try:
                async with timers.serving(tenant_id, plugin), unit_of_work() as session:
                    return ",".join((await session.exec(select(Note.title).order_by(Note.title))).all())
            except timers.NotServedError as error:
                return str(error)

    client.post("/api/v1/example/notes", json={"title": "Mine"})
    assert platform.run(serve(tenant.id)).startswith("Mine")
    assert platform.run(serve(uuid7())) == "There is no such organisation."
    assert client.put("/api/v1/plugins/example", json={"enabled": False}).status_code == 200
    assert "switched off" in platform.run(serve(tenant.id))
    suspend(platform, tenant)
    assert platform.run(serve(tenant.id)) == "The organisation is suspended."


def test_only_code_without_a_tenant_may_choose_one(
    platform: ThreadedPlatform, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    async def attack() -> None:
        with use_context(platform.context(tenant)):
            async with timers.serving(other_tenant.id, "example"):
                pass

    with pytest.raises(RuntimeError, match="runs without a tenant"):
        platform.run(attack())


def test_the_tick_runs_when_it_is_asked_for(platform: ThreadedPlatform, tenant: TestTenant) -> None:
    add_chimes(platform, tenant, 2, due_in=-5, every=86_400)
    platform.run(platform.platform.functions.nudge())
    platform.settle()
    assert chimed(platform, tenant) == {1: 2}
    runs = rows(platform, select(Run).where(col(Run.function) == "kernel.tick"))
    assert {(run.tenant_id, run.status) for run in runs} == {(None, "completed")}


def test_of_all_processes_one_asks_for_a_late_tick(platform: ThreadedPlatform, engine: EngineControl) -> None:
    async def nudge() -> None:
        return None

    parts = platform.platform
    dogs = [Watchdog(parts.database, parts.runtime, parts.tick, nudge, every=15) for _ in range(3)]

    async def ask() -> int:
        return sum([await dog.is_to_ask() for dog in dogs])

    def late(seconds: float) -> None:
        beat = platform.now() - timedelta(seconds=seconds)
        change(platform, update(Heartbeat).where(col(Heartbeat.name) == BEAT).values(beat_at=beat, asked_at=None))

    platform.run(parts.tick.beat())
    assert platform.run(ask()) == 0
    late(100)
    assert platform.run(ask()) == 1
    assert platform.run(ask()) == 0
    assert platform.run(dogs[0].health()).state == "ok"
    late(200)
    assert platform.run(dogs[0].health()).state == "degraded"
    platform.run(parts.tick.beat())
    assert platform.run(dogs[0].health()).state == "ok"


def test_ended_timers_are_pruned(platform: ThreadedPlatform, tenant: TestTenant, engine: EngineControl) -> None:
    note = str(uuid7())
    set_reminder(platform, tenant, note, 20)
    engine.advance(seconds=30)
    assert states(platform, tenant) == ["fired"]
    old = platform.now() - timedelta(days=31)
    change(platform, update(Timer).where(col(Timer.tenant_id) == tenant.id).values(ended_at=old))

    async def prune() -> dict[str, int]:
        with use_context(platform.platform.tick.context()):
            return await platform.platform.functions.mirror.prune()

    assert platform.run(prune())["timers"] >= 1
    assert states(platform, tenant) == []


def test_looking_at_what_waits_does_not_wait_for_writers(platform: ThreadedPlatform, tenant: TestTenant) -> None:
    async def look() -> set[str]:
        parts = platform.platform
        async with parts.database.system("test", parts.runtime) as session:
            await session.exec(update(Heartbeat).values(asked_at=None))
            # On SQLite a second writer would wait for ten seconds.
            async with asyncio.timeout(5):
                return set(await parts.tick.waiting())

    assert platform.run(look()) >= {"kernel.timers", "example.chimes"}


def test_time_that_stands_still_is_never_told_too_early() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def offset() -> timedelta:
        # As an engine reckons it, which counts milliseconds.
        return begin - datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)

    clock = Clock(offset)
    assert min(clock.now() for _ in range(100_000)) >= begin
