"""Schedules: when they fire, over daylight saving, with jitter and after an outage."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import inngest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riveredge_engine import ManualClock
from riveredge_engine.schedule import CronSchedule

HOUR = datetime.timedelta(hours=1)


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def ticking(world: Any, cron: str) -> tuple[Any, list[str]]:
    """A function on a schedule, and the ids of the ticks that started it."""
    ticks: list[str] = []

    @world.client.create_function(fn_id="tick", trigger=inngest.TriggerCron(cron=cron))
    async def tick(ctx: inngest.Context) -> None:
        assert ctx.event.name == "inngest/scheduled.timer"
        ticks.append(ctx.event.id)

    return tick, ticks


async def test_a_schedule_fires_at_each_of_its_times(make_world: Any) -> None:
    world = await make_world(clock=ManualClock(at("2026-01-01T00:30:00")))
    tick, ticks = ticking(world, "0 */6 * * *")
    await world.serve(tick)
    await world.engine.advance(25 * HOUR)
    assert ticks == [
        "2026-01-01T06:00:00Z",
        "2026-01-01T12:00:00Z",
        "2026-01-01T18:00:00Z",
        "2026-01-02T00:00:00Z",
    ]


async def test_a_schedule_keeps_to_its_time_zone(make_world: Any) -> None:
    world = await make_world(clock=ManualClock(at("2026-03-27T12:00:00")))
    tick, ticks = ticking(world, "TZ=Europe/Berlin 0 9 * * *")
    await world.serve(tick)
    await world.engine.advance(72 * HOUR)
    # On 29 March Berlin goes from UTC+1 to UTC+2.
    assert ticks == ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"]


async def test_removing_a_schedule_ends_it(make_world: Any) -> None:
    world = await make_world(clock=ManualClock(at("2026-01-01T00:30:00")))
    tick, ticks = ticking(world, "0 * * * *")
    await world.serve(tick)
    await world.engine.advance(HOUR)
    replaced, others = ticking(world, "30 * * * *")
    await world.serve(replaced)
    await world.engine.advance(3 * HOUR)
    assert ticks == ["2026-01-01T01:00:00Z"]
    assert others == ["2026-01-01T02:30:00Z", "2026-01-01T03:30:00Z", "2026-01-01T04:30:00Z"]


async def test_after_an_outage_one_tick_is_made_up_for(make_world: Any, tmp_path: Path) -> None:
    store = tmp_path / "engine.db"
    world = await make_world(clock=ManualClock(at("2026-01-01T00:30:00")), store=store)
    tick, _ = ticking(world, "0 * * * *")
    url = await world.serve(tick)
    await world.engine.stop()
    later = await make_world(clock=ManualClock(at("2026-01-01T10:15:00")), store=store)
    await later.engine.advance(2 * HOUR)
    made = [event["id"] for event in await later.get("/v1/events")]
    assert made == ["2026-01-01T12:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T01:00:00Z"]
    assert url


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        # The hour that is skipped in spring: right after the gap.
        ("TZ=Europe/Berlin 30 2 * * *", "2026-03-29T00:30:00", "2026-03-29T01:00:00"),
        # The hour that is repeated in autumn: once.
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        # Every hour is every hour, also over the change.
        ("CRON_TZ=Europe/Berlin 0 * * * *", "2026-10-25T00:00:00", "2026-10-25T01:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("*/15 * * * *", "2026-01-01T00:15:00", "2026-01-01T00:30:00"),
    ],
)
def test_the_next_tick(cron: str, after: str, expected: str) -> None:
    found = CronSchedule.parse(cron).next_after(int(at(after).timestamp() * 1000))
    assert found is not None
    assert datetime.datetime.fromtimestamp(found / 1000, datetime.UTC) == at(expected)


def ticks_of_the_model(
    minutes: list[int], hours: list[int], zone: str, days: list[datetime.date]
) -> list[datetime.datetime]:
    """At each named time of each day's own clock; one that is skipped comes right after the gap, one repeated once."""
    found = set()
    for day, hour, minute in itertools.product(days, hours, minutes):
        local = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
        while local.astimezone(datetime.UTC).astimezone(local.tzinfo).replace(fold=0) != local.replace(fold=0):
            local += datetime.timedelta(minutes=1)
        found.add(local.astimezone(datetime.UTC))
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True),
    hours=st.lists(st.integers(0, 23), min_size=1, max_size=4, unique=True),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"]),
    # Both changes of each zone, and days without one.
    first=st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"]),
)
def test_ticks_follow_the_clock_of_their_zone(minutes: list[int], hours: list[int], zone: str, first: str) -> None:
    days = [datetime.date.fromisoformat(first) + datetime.timedelta(days=n) for n in range(3)]
    expected = ticks_of_the_model(minutes, hours, zone, days)
    schedule = CronSchedule.parse(f"TZ={zone} {','.join(map(str, minutes))} {','.join(map(str, hours))} * * *")
    found: list[datetime.datetime] = []
    instant = int(expected[0].timestamp() * 1000) - 1
    while len(found) < len(expected):
        following = schedule.next_after(instant)
        assert following is not None
        instant = following
        found.append(datetime.datetime.fromtimestamp(instant / 1000, datetime.UTC))
    assert found == expected


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "TZ=Mars/Base * * * * *", "@daily", "x" * 300]
)
def test_invalid_schedules(text: str) -> None:
    with pytest.raises(ValueError, match=r"cron|zone|character"):
        CronSchedule.parse(text)


async def test_jitter_delays_a_tick_but_skips_none(make_world: Any) -> None:
    world = await make_world(clock=ManualClock(at("2026-01-01T00:00:30")))
    ticks: list[tuple[str, datetime.datetime]] = []

    trigger = inngest.TriggerCron(cron="* * * * *", jitter="5m")

    @world.client.create_function(fn_id="tick", trigger=trigger)
    async def tick(ctx: inngest.Context) -> None:
        ticks.append((ctx.event.id, world.engine.clock.now()))

    await world.serve(tick)
    await world.engine.advance(datetime.timedelta(minutes=30))
    # Ticks that fall due together start in any order.
    assert sorted(text for text, _ in ticks)[:20] == [f"2026-01-01T00:{minute:02d}:00Z" for minute in range(1, 21)]
    for text, fired in ticks:
        assert datetime.timedelta(0) <= fired - at(text[:19]) < datetime.timedelta(minutes=5, seconds=1)
