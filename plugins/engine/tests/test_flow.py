"""Flow control: concurrency, throttle, rate limit, debounce, batch, singleton, idempotency, priority."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from collections import Counter
from typing import Any

import inngest
import pytest

pytestmark = pytest.mark.database

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)


class Gate:
    """Holds steps up until it is opened, and notes how many were in it at once."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.passed: list[Any] = []
        self._open = asyncio.Event()

    async def enter(self, what: Any, *keys: str) -> None:
        for key in keys:
            self.inside[key] += 1
            self.most[key] = max(self.most[key], self.inside[key])
        await self._open.wait()
        # Long enough for whatever is let in too early to be seen inside.
        await asyncio.sleep(0.02)
        self.inside.subtract(keys)
        self.passed.append(what)

    def open(self) -> None:
        self._open.set()


async def test_concurrency_counts_running_steps_by_key(world: Any, wait_until: Any) -> None:
    gate = Gate()

    @world.on("job", concurrency=[inngest.Concurrency(limit=2, key="event.data.tenant")])
    async def job(ctx: inngest.Context) -> None:
        tenant = str(ctx.event.data["tenant"])
        await ctx.step.run("work", gate.enter, tenant, tenant, "all")

    await world.serve(job)
    await world.client.send([inngest.Event(name="job", data={"tenant": name}) for name in "aaaaabbbc"])
    await wait_until(lambda: gate.inside["all"] == 5, "two of a, two of b and one of c")
    gate.open()
    await world.idle()
    assert gate.most["a"] == 2
    assert gate.most["b"] == 2
    assert Counter(gate.passed) == {"a": 5, "b": 3, "c": 1}


async def test_several_limits_hold_at_once(world: Any, wait_until: Any) -> None:
    gate = Gate()

    @world.on(
        "job",
        concurrency=[
            inngest.Concurrency(limit=1, key="event.data.user"),
            inngest.Concurrency(limit=3, key='"everything"', scope="account"),
        ],
    )
    async def job(ctx: inngest.Context) -> None:
        await ctx.step.run("work", gate.enter, None, str(ctx.event.data["user"]), "all")

    @world.on("other", concurrency=[inngest.Concurrency(limit=3, key='"everything"', scope="account")])
    async def other(ctx: inngest.Context) -> None:
        await ctx.step.run("work", gate.enter, None, "all")

    await world.serve(job, other)
    await world.client.send(
        [inngest.Event(name="job", data={"user": user}) for user in "uuvvwwxx"]
        + [inngest.Event(name="other") for _ in range(4)]
    )
    await wait_until(lambda: gate.inside["all"] == 3, "the account's three places to be taken")
    gate.open()
    await world.idle()
    assert gate.most["all"] == 3
    assert all(gate.most[user] == 1 for user in "uvwx")
    assert len(gate.passed) == 12


async def test_sleeping_runs_hold_no_place(world: Any) -> None:
    @world.on("nap", concurrency=[inngest.Concurrency(limit=1)])
    async def nap(ctx: inngest.Context) -> None:
        await ctx.step.sleep("long", HOUR)

    await world.serve(nap)
    events = [await world.send("nap") for _ in range(5)]
    await world.idle()
    assert world.engine.calls == 5
    await world.engine.advance(2 * HOUR)
    assert [(await world.run(event))["status"] for event in events] == ["Completed"] * 5


async def test_priority_decides_who_comes_first(world: Any, wait_until: Any) -> None:
    gate = Gate()

    @world.on(
        "job", concurrency=[inngest.Concurrency(limit=1)], priority=inngest.Priority(run="event.data.vip ? 600 : 0")
    )
    async def job(ctx: inngest.Context) -> None:
        await gate.enter(ctx.event.data["n"], "all")

    await world.serve(job)
    await world.send("job", {"n": 0, "vip": False})
    await wait_until(lambda: gate.inside["all"] == 1, "the first run to begin")
    for n in range(1, 5):
        await world.send("job", {"n": n, "vip": n >= 3})
    gate.open()
    await world.idle()
    assert gate.passed == [0, 3, 4, 1, 2]


def noting(world: Any, event: str = "x", **options: Any) -> tuple[Any, list[tuple[Any, float]]]:
    """A function that notes the `n` of its event and the engine's time in seconds since now."""
    began, noted = world.engine.clock.now(), list[tuple[Any, float]]()

    @world.on(event, **options)
    async def note(ctx: inngest.Context) -> None:
        at = (world.engine.clock.now() - began).total_seconds()
        noted.append(
            ([one.data.get("n") for one in ctx.events] if len(ctx.events) > 1 else ctx.event.data.get("n"), at)
        )

    return note, noted


async def test_throttle_spreads_starts_and_loses_none(world: Any) -> None:
    note, noted = noting(world, throttle=inngest.Throttle(limit=2, period=MINUTE, key="event.data.key"))
    await world.serve(note)
    for n in range(4):
        await world.send("x", {"n": n, "key": "a"})
    await world.send("x", {"n": 9, "key": "b"})
    await world.idle()
    assert sorted(n for n, _ in noted) == [0, 9]
    await world.engine.advance(HOUR)
    times = [at for n, at in noted if n != 9]
    assert [n for n, _ in noted if n != 9] == [0, 1, 2, 3]
    assert [round(at / 30) for at in times] == [0, 1, 2, 3]
    assert all(later - earlier >= 29 for earlier, later in itertools.pairwise(times))


async def test_throttle_with_a_burst(world: Any) -> None:
    note, noted = noting(world, throttle=inngest.Throttle(limit=1, period=MINUTE, burst=3))
    await world.serve(note)
    for n in range(5):
        await world.send("x", {"n": n})
    await world.idle()
    assert len(noted) == 3
    await world.engine.advance(10 * MINUTE)
    assert sorted(n for n, _ in noted) == [0, 1, 2, 3, 4]


async def test_rate_limit_drops(world: Any) -> None:
    note, noted = noting(world, rate_limit=inngest.RateLimit(limit=2, period=HOUR, key="event.data.key"))
    await world.serve(note)
    for n in range(4):
        await world.send("x", {"n": n, "key": "a"})
    await world.send("x", {"n": 9, "key": "b"})
    await world.idle()
    assert sorted(n for n, _ in noted) == [0, 1, 9]
    await world.engine.advance(2 * HOUR)
    await world.send("x", {"n": 5, "key": "a"})
    await world.idle()
    assert sorted(n for n, _ in noted) == [0, 1, 5, 9]


async def test_idempotency_is_once_a_day_for_each_key(world: Any) -> None:
    note, noted = noting(world, idempotency="event.data.cart")
    await world.serve(note)
    for n, cart in enumerate(["a", "a", "b", "a"]):
        await world.send("x", {"n": n, "cart": cart})
    await world.idle()
    assert [n for n, _ in noted] == [0, 2]
    await world.engine.advance(25 * HOUR)
    await world.send("x", {"n": 7, "cart": "a"})
    await world.idle()
    assert [n for n, _ in noted] == [0, 2, 7]


async def test_debounce_runs_with_the_last_event(world: Any) -> None:
    note, noted = noting(world, debounce=inngest.Debounce(period=MINUTE, key="event.data.key"))
    await world.serve(note)
    await world.send("x", {"n": 0, "key": "b"})
    for n in range(1, 4):
        await world.send("x", {"n": n, "key": "a"})
        await world.engine.advance(40 * SECOND)
    assert [n for n, _ in noted] == [0]
    await world.engine.advance(MINUTE)
    assert [n for n, _ in noted] == [0, 3]
    await world.send("x", {"n": 4, "key": "a"})
    await world.engine.advance(2 * MINUTE)
    assert [n for n, _ in noted] == [0, 3, 4]


async def test_debounce_waits_no_longer_than_its_time_out(world: Any) -> None:
    note, noted = noting(world, debounce=inngest.Debounce(period=MINUTE, timeout=90 * SECOND))
    await world.serve(note)
    for n in range(3):
        await world.send("x", {"n": n})
        await world.engine.advance(40 * SECOND)
    assert [n for n, _ in noted] == [2]
    assert 89 <= noted[0][1] <= 92


async def test_a_batch_is_full_or_old_enough(world: Any) -> None:
    note, noted = noting(
        world, batch_events=inngest.Batch(max_size=3, timeout=MINUTE, key="event.data.key", if_exp="event.data.n < 100")
    )
    await world.serve(note)
    await world.client.send([inngest.Event(name="x", data={"n": n, "key": "a"}) for n in range(7)])
    await world.send("x", {"n": 50, "key": "b"})
    await world.send("x", {"n": 51, "key": "b"})
    await world.send("x", {"n": 100, "key": "a"})
    await world.idle()
    assert [n for n, _ in noted if isinstance(n, list)] == [[0, 1, 2], [3, 4, 5]]
    assert [n for n, _ in noted if not isinstance(n, list)] == [100]
    await world.engine.advance(2 * MINUTE)
    assert [n for n, _ in noted][3:] in ([6, [50, 51]], [[50, 51], 6])


async def test_a_singleton_skips(world: Any) -> None:
    @world.on("job", singleton=inngest.Singleton(mode="skip", key="event.data.key"))
    async def job(ctx: inngest.Context) -> None:
        await ctx.step.sleep("long", HOUR)

    await world.serve(job)
    first, second, other = [await world.send("job", {"key": key}) for key in "aab"]
    await world.idle()
    assert [len(await world.runs(event)) for event in (first, second, other)] == [1, 0, 1]
    await world.engine.advance(2 * HOUR)
    again = await world.send("job", {"key": "a"})
    await world.idle()
    assert len(await world.runs(again)) == 1


async def test_a_singleton_whose_key_fails_is_none(world: Any) -> None:
    @world.on("single", singleton=inngest.Singleton(mode="skip", key="event.data.n + 1"))
    async def single(ctx: inngest.Context) -> None:
        await ctx.step.sleep("long", HOUR)

    await world.serve(single)
    events = [await world.send("single", {"n": value}) for value in ("text", "text", 1, 1)]
    assert [len(await world.runs(event)) for event in events] == [1, 1, 1, 0]


async def test_a_singleton_cancels(world: Any) -> None:
    @world.on("job", singleton=inngest.Singleton(mode="cancel", key="event.data.key"))
    async def job(ctx: inngest.Context) -> None:
        await ctx.step.sleep("long", HOUR)

    await world.serve(job)
    events = [await world.send("job", {"key": key}) for key in "aab"]
    await world.idle()
    assert [(await world.run(event))["status"] for event in events] == ["Cancelled", "Running", "Running"]


@pytest.mark.parametrize("option", ["singleton", "rate_limit", "debounce"])
async def test_an_invocation_that_flow_control_refuses_fails(world: Any, option: str) -> None:
    options = {
        "singleton": inngest.Singleton(mode="skip"),
        "rate_limit": inngest.RateLimit(limit=1, period=HOUR),
        "debounce": inngest.Debounce(period=MINUTE),
    }

    @world.on("child", **{option: options[option]})
    async def child(ctx: inngest.Context) -> str:
        await ctx.step.sleep("long", MINUTE)
        return "child"

    @world.on("parent", retries=0)
    async def parent(ctx: inngest.Context) -> str:
        try:
            return str(await ctx.step.invoke("call", function=child))
        except inngest.StepError:
            return "refused"

    await world.serve(child, parent)
    first, second = await world.send("parent"), await world.send("parent")
    await world.idle()
    await world.engine.advance(HOUR)
    outputs = sorted([(await world.ended(event))["output"] for event in (first, second)])
    assert outputs == ["child", "refused"]
