"""Timers: set, replaced, cancelled; fired once, at their time, for tenants that are served."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from riveredge_example.schemas import NotePayload
from riveredge_example.service import REMINDER_DUE
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.client import wire_id
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_kernel.timers.models import Timer
from riveredge_sdk import timers, unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant

pytestmark = pytest.mark.database


class Reminders:
    """The reminders of one note, set and looked at from inside the platform."""

    def __init__(self, platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
        self.platform, self.tenant, self.client = platform, tenant, client
        self.id = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()["id"]
        self.owner = timers.Owner("example.note", self.id)

    def within(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run in a unit of work of the tenant."""

        async def run() -> Any:
            with use_context(self.platform.context(self.tenant)):
                async with unit_of_work():
                    return await work()

        return self.platform.run(run())

    async def put(self, due_at: datetime, name: str = "reminder") -> None:
        await timers.set(self.owner, name, due_at, REMINDER_DUE, NotePayload(note_id=self.id, author_id=None))

    def set(self, due_at: datetime, name: str = "reminder") -> None:
        self.within(lambda: self.put(due_at, name))

    def cancel(self, name: str | None = None) -> int:
        count: int = self.within(lambda: timers.cancel(self.owner, name))
        return count

    @property
    def fired(self) -> int:
        count: int = self.client.get(f"/api/v1/example/notes/{self.id}").json()["reminders"]
        return count

    def rows(self) -> list[Timer]:
        async def read() -> list[Timer]:
            async with self.platform.platform.database.system("test", self.platform.platform.runtime) as session:
                query = select(Timer).where(col(Timer.tenant_id) == self.tenant.id).order_by(col(Timer.name))
                return list((await session.exec(query)).all())

        return self.platform.run(read())

    def events(self) -> list[OutboxEvent]:
        async def read() -> list[OutboxEvent]:
            async with self.platform.platform.database.system("test", self.platform.platform.runtime) as session:
                query = select(OutboxEvent).where(
                    col(OutboxEvent.tenant_id) == self.tenant.id, col(OutboxEvent.name) == REMINDER_DUE.name
                )
                return list((await session.exec(query)).all())

        return self.platform.run(read())

    def runs(self) -> list[str]:
        items = self.client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
        return [run["status"] for run in items if run["function"] == "example.remind"]

    def wait_for(self, check: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 20
        while not check():
            assert time.monotonic() < deadline, (self.rows(), self.runs())
            time.sleep(0.03)


@pytest.fixture
def note(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> Reminders:
    """A note without reminders."""
    return Reminders(platform, tenant, client)


def test_what_is_due_soon_is_sent_with_the_commit(note: Reminders, engine: EngineControl) -> None:
    due = engine.now() + timedelta(seconds=30)
    note.set(due)
    (row,) = note.rows()
    (event,) = note.events()
    assert (row.state, row.event_id, row.generation) == ("dispatched", event.id, 1)
    assert event.due_at == due
    engine.advance(seconds=29)
    assert note.fired == 0
    engine.advance(seconds=2)
    assert note.fired == 1
    assert [(row.state, row.run_id is not None) for row in note.rows()] == [("fired", True)]


def test_inngest_s_milliseconds_are_never_before_the_time(note: Reminders, engine: EngineControl) -> None:
    whole = (engine.now() + timedelta(seconds=30)).replace(microsecond=0)
    for micros in (0, 1, 999, 1000):
        note.set(whole + timedelta(microseconds=micros), f"at {micros}")
    engine.advance(seconds=31)
    late = [row.ended_at - row.due_at for row in note.rows() if row.ended_at is not None]
    assert len(late) == 4
    assert min(late) >= timedelta(0)


def test_what_is_due_later_waits_in_the_table(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + timedelta(days=2))
    assert [row.state for row in note.rows()] == ["waiting"]
    assert note.events() == []
    engine.advance(days=1)
    assert ([row.state for row in note.rows()], note.fired) == (["waiting"], 0)
    engine.advance(days=1)
    assert ([row.state for row in note.rows()], note.fired) == (["fired"], 1)


def test_what_is_past_is_due_at_once(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() - timedelta(days=3))
    note.wait_for(lambda: note.fired == 1)


@pytest.mark.parametrize("ahead", [timedelta(seconds=40), timedelta(hours=5)], ids=["soon", "later"])
def test_setting_again_replaces(ahead: timedelta, note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + ahead)
    note.set(engine.now() + 3 * ahead)
    assert [(row.generation, row.name) for row in note.rows()] == [(2, "reminder")]
    engine.advance(seconds=2 * ahead.total_seconds())
    assert note.fired == 0
    engine.advance(seconds=2 * ahead.total_seconds())
    assert note.fired == 1


def test_a_stale_event_does_not_reach_its_function(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + timedelta(seconds=40))
    note.set(engine.now() + timedelta(hours=1))
    assert len(note.events()) == 1
    engine.advance(seconds=60)
    assert (note.fired, note.runs()) == (0, ["cancelled"])
    engine.advance(hours=1)
    assert note.fired == 1


@pytest.mark.parametrize("ahead", [timedelta(seconds=40), timedelta(hours=5)], ids=["soon", "later"])
def test_cancelled_is_cancelled(ahead: timedelta, note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + ahead, "first")
    note.set(engine.now() + ahead, "second")
    note.set(engine.now() + ahead, "third")
    assert note.cancel("first") == 1
    assert note.cancel("first") == 0
    engine.advance(seconds=2 * ahead.total_seconds())
    assert note.fired == 2
    assert note.cancel() == 0
    assert [row.state for row in note.rows()] == ["cancelled", "fired", "fired"]


def test_many_who_set_the_same_timer_at_once_leave_one(note: Reminders, engine: EngineControl) -> None:
    async def put() -> None:
        with use_context(note.platform.context(note.tenant)):
            async with unit_of_work():
                await note.put(engine.now() + timedelta(seconds=40))

    async def all_at_once() -> None:
        await asyncio.gather(*(put() for _ in range(5)))

    note.platform.run(all_at_once())
    assert [row.generation for row in note.rows()] == [5]
    engine.advance(seconds=60)
    assert note.fired == 1


def test_an_event_under_a_new_id_does_nothing_twice(note: Reminders, engine: EngineControl) -> None:
    """What was acknowledged twice and seen never is sent with a new id; perhaps the first one was only slow."""
    note.set(engine.now() + timedelta(seconds=1))
    engine.advance(seconds=5)
    assert note.fired == 1
    (event,) = note.events()
    event.attempts = 2
    assert wire_id(event.id, event.attempts) == f"{event.id}:r1"
    note.platform.run(note.platform.platform.functions.sender.send_events([event]))
    note.wait_for(lambda: sorted(note.runs()) == ["cancelled", "running"])
    assert note.fired == 1


def test_a_cancelled_timer_can_be_set_again(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + timedelta(seconds=30))
    assert note.cancel() == 1
    note.set(engine.now() + timedelta(seconds=50))
    engine.advance(seconds=60)
    assert note.fired == 1


@pytest.mark.parametrize("ahead", [timedelta(seconds=5), timedelta(hours=5)], ids=["soon", "later"])
def test_a_roll_back_leaves_nothing(ahead: timedelta, note: Reminders, engine: EngineControl) -> None:
    async def fail() -> None:
        await note.put(engine.now() + ahead)
        raise LookupError

    with pytest.raises(LookupError):
        note.within(fail)
    assert (note.rows(), note.events()) == ([], [])


def test_a_rolled_back_cancellation_cancels_nothing(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + timedelta(seconds=30))

    async def fail() -> None:
        assert await timers.cancel(note.owner) == 1
        raise LookupError

    with pytest.raises(LookupError):
        note.within(fail)
    engine.advance(seconds=60)
    assert note.fired == 1


def test_other_tenants_timers_are_out_of_reach(
    note: Reminders, platform: ThreadedPlatform, other_tenant: TestTenant, engine: EngineControl
) -> None:
    note.set(engine.now() + timedelta(seconds=30))

    async def attack() -> int:
        with use_context(platform.context(other_tenant)):
            async with unit_of_work():
                count = await timers.cancel(note.owner)
                await note.put(engine.now() + timedelta(days=900))
                return count

    assert platform.run(attack()) == 0
    engine.advance(seconds=60)
    assert note.fired == 1


def test_a_handler_may_set_its_own_timer_anew(note: Reminders, engine: EngineControl) -> None:
    """The steps of a run go on although its timer has a new generation by then."""
    note.set(engine.now() + timedelta(seconds=20))
    engine.advance(seconds=30)
    assert note.fired == 1
    note.set(engine.now() + timedelta(days=30))
    engine.advance(days=4)
    # The example's function counts a second time three days after the first.
    assert note.fired == 2


def test_an_engine_that_forgets_is_told_again(note: Reminders, engine: EngineControl) -> None:
    note.set(engine.now() + timedelta(seconds=60), "soon")
    note.set(engine.now() + timedelta(minutes=10), "later")
    note.platform.settle()
    engine.forget()
    engine.advance(minutes=11)
    note.wait_for(lambda: note.fired == 2)
    assert [row.state for row in note.rows()] == ["fired", "fired"]


def test_wrong_arguments_are_refused(note: Reminders, engine: EngineControl) -> None:
    payload = NotePayload(note_id=note.id, author_id=None)
    wrong: list[tuple[timers.Owner, str, datetime]] = [
        (note.owner, "", engine.now()),
        (note.owner, "x" * 101, engine.now()),
        (timers.Owner("", "1"), "x", engine.now()),
        (timers.Owner("example.note", "x" * 101), "x", engine.now()),
        (note.owner, "x", datetime(2026, 1, 1)),  # noqa: DTZ001  (that is what is wrong with it)
    ]
    for owner, name, due_at in wrong:
        with pytest.raises(ValueError, match=r"timer|time zone"):
            note.within(lambda o=owner, n=name, d=due_at: timers.set(o, n, d, REMINDER_DUE, payload))  # type: ignore[misc]
    assert note.rows() == []


def test_the_database_s_clock_decides_and_is_asked_seldom(
    platform: ThreadedPlatform, tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    clock = platform.platform.runtime.clock
    measure = clock._measure

    async def look() -> tuple[datetime, datetime, datetime]:
        async def counted(session: Any) -> datetime:
            asked.append(session)
            return await measure(session)

        with use_context(platform.context(tenant)), monkeypatch.context() as patch:
            patch.setattr(type(clock), "_measure", lambda _, session: counted(session))
            async with unit_of_work() as session:
                exact = await clock.database_now(session)
                # This node's own clock goes an hour ahead.
                patch.setattr("riveredge_kernel.timers.clock.datetime", Ahead)
                found = [await timers.now() for _ in range(3)]
                return exact, found[0], found[2]

    exact, first, last = platform.run(look())
    if platform.kind == "postgresql":
        assert len(asked) == 1
        assert exact <= first <= last < exact + timedelta(minutes=1)
    else:
        # There is no clock but the node's.
        assert last - exact > timedelta(minutes=59)


class Ahead(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=1)
