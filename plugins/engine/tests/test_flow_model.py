"""Flow control against a reference model: for any sequence of events, the engine starts what the model says, and when.

The clock stands still but for what a test advances, so instants are exact. A timer that is due at the instant of an
event comes first. Each example has keys of its own, so that one world serves all of them.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import inngest
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riveredge_engine import ManualClock

# Ten seconds: so long may a call of the app take without being mistaken for a difference.
UNIT = 10_000
HALF = UNIT // 2
SECOND = 1_000
DAY = 86_400 * SECOND
# (milliseconds since the one before, key)
Sequence = list[tuple[int, str]]
# (instant, numbers of the events)
Starts = list[tuple[int, list[int]]]
Model = Callable[[list[tuple[int, str]]], Starts]


def sequences(longest_gap: int = 8) -> st.SearchStrategy[Sequence]:
    gaps = st.integers(0, longest_gap * 2).map(lambda halves: halves * HALF)
    return st.lists(st.tuples(gaps, st.sampled_from("ab")), min_size=1, max_size=12)


def each_key(model: Callable[[list[tuple[int, int]]], Starts]) -> Model:
    """A model that keeps keys apart, from one that knows none: it gets (instant, number of the event)."""

    def apart(events: list[tuple[int, str]]) -> Starts:
        by_key = defaultdict(list)
        for number, (at, key) in enumerate(events):
            by_key[key].append((at, number))
        return sorted(start for of_key in by_key.values() for start in model(of_key))

    return apart


def debounced(events: list[tuple[int, int]]) -> Starts:
    """The last event, five units after it, yet no later than twelve after the first."""
    starts, first = list[tuple[int, list[int]]](), 0
    for at, number in events:
        if starts and starts[-1][0] > at:
            starts.pop()
        else:
            first = at
        starts.append((min(at + 5 * UNIT, first + 12 * UNIT), [number]))
    return starts


def batched(events: list[tuple[int, int]]) -> Starts:
    """Three events, or what there is five units after the first."""
    starts: Starts = []
    open_at, filling = 0, list[int]()
    for at, number in events:
        if filling and open_at + 5 * UNIT <= at:
            starts.append((open_at + 5 * UNIT, filling))
            filling = []
        open_at = at if not filling else open_at
        filling = [*filling, number]
        if len(filling) == 3:
            starts.append((at, filling))
            filling = []
    return [*starts, (open_at + 5 * UNIT, filling)] if filling else starts


def limited(limit: int, period: int) -> Callable[[list[tuple[int, int]]], Starts]:
    """A bucket of `limit` tokens that refills evenly; an event that finds none is dropped."""

    def model(events: list[tuple[int, int]]) -> Starts:
        tokens, last, starts = Fraction(limit), 0, []
        for at, number in events:
            tokens = min(Fraction(limit), tokens + Fraction(limit * (at - last), period))
            last = at
            if tokens >= 1:
                tokens -= 1
                starts.append((at, [number]))
        return starts

    return model


def throttled(events: list[tuple[int, int]]) -> Starts:
    """A bucket of two tokens that gets one each five units; an event that finds none waits for its turn."""
    tokens, last, starts = Fraction(2), 0, list[tuple[int, list[int]]]()
    for at, number in events:
        begin = max(at, last)
        tokens = min(Fraction(2), tokens + Fraction(begin - last, 5 * UNIT))
        if tokens < 1:
            begin += int((1 - tokens) * 5 * UNIT)
            tokens = Fraction(1)
        tokens -= 1
        last = begin
        starts.append((begin, [number]))
    return starts


def skipped(events: list[tuple[int, int]]) -> Starts:
    """Runs of seven units; an event during one starts nothing."""
    starts: Starts = []
    for at, number in events:
        if not starts or starts[-1][0] + 7 * UNIT <= at:
            starts.append((at, [number]))
    return starts


def replaced(events: list[tuple[int, int]]) -> Starts:
    """Runs of seven units, noted at their ends; an event during one cancels it."""
    ends = [(at + 7 * UNIT, [number]) for at, number in events]
    following = [at for at, _ in events[1:]] + [events[-1][0] + DAY]
    return [end for end, later in zip(ends, following, strict=True) if end[0] <= later]


KEY = "event.data.key"


def units(number: float) -> datetime.timedelta:
    return datetime.timedelta(milliseconds=number * UNIT)


OPTIONS: dict[str, tuple[dict[str, Any], Model]] = {
    "debounce": (
        {"debounce": inngest.Debounce(period=units(5), timeout=units(12), key=KEY)},
        each_key(debounced),
    ),
    "batch": ({"batch_events": inngest.Batch(max_size=3, timeout=units(5), key=KEY)}, each_key(batched)),
    "rate-limit": (
        {"rate_limit": inngest.RateLimit(limit=2, period=units(10), key=KEY)},
        each_key(limited(2, 10 * UNIT)),
    ),
    "throttle": (
        {"throttle": inngest.Throttle(limit=2, period=units(10), burst=2, key=KEY)},
        each_key(throttled),
    ),
    "idempotency": ({"idempotency": KEY}, each_key(limited(1, DAY))),
    "singleton-skip": ({"singleton": inngest.Singleton(mode="skip", key=KEY)}, each_key(skipped)),
    "singleton-cancel": ({"singleton": inngest.Singleton(mode="cancel", key=KEY)}, each_key(replaced)),
    "nothing": ({}, lambda events: [(at, [number]) for number, (at, _) in enumerate(events)]),
}


class Watched:
    """A function of each kind, and when its runs have got to their point, by the examples that caused them."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.examples = itertools.count()
        self.seen: dict[str, Starts] = defaultdict(list)

    def note(self, ctx: inngest.Context) -> None:
        numbers = [int(str(event.data["number"])) for event in ctx.events]
        self.seen[str(ctx.event.data["example"])].append((self.world.engine.clock.now_ms(), numbers))

    def function(self, kind: str, options: dict[str, Any]) -> inngest.Function[Any]:
        async def note_and_stay(ctx: inngest.Context) -> None:
            async def note() -> None:
                self.note(ctx)

            await ctx.step.run("note", note)
            await ctx.step.sleep("stay", units(7))

        async def stay_and_note(ctx: inngest.Context) -> None:
            await ctx.step.sleep("stay", units(7))
            self.note(ctx)

        async def note(ctx: inngest.Context) -> None:
            self.note(ctx)

        handler = {"singleton-skip": note_and_stay, "singleton-cancel": stay_and_note}.get(kind, note)
        trigger = inngest.TriggerEvent(event=f"flow/{kind}")
        made: inngest.Function[Any] = self.world.client.create_function(fn_id=kind, trigger=trigger, **options)(handler)
        return made

    async def run(self, kind: str, sequence: Sequence) -> tuple[list[tuple[int, str]], Starts]:
        """Let a sequence of events happen; when they came, and what was seen of it until all was over."""
        example, clock = f"{kind}-{next(self.examples)}", self.world.engine.clock
        began, events = clock.now_ms(), list[tuple[int, str]]()
        for number, (gap, key) in enumerate(sequence):
            await self.world.engine.advance(datetime.timedelta(milliseconds=gap))
            data = {"example": example, "number": number, "key": f"{example}-{key}"}
            await self.world.send(f"flow/{kind}", data)
            await self.world.idle()
            events.append((clock.now_ms() - began, key))
        await self.world.engine.advance(units(300))
        # A sleep's end is computed by the app, in real time, which goes on while the engine's stands still.
        seen = [(round((at - began) / HALF) * HALF, numbers) for at, numbers in self.seen[example]]
        return events, sorted(seen)


@pytest.fixture
async def watched(make_world: Any) -> Watched:
    made = Watched(await make_world(clock=ManualClock()))
    await made.world.serve(*(made.function(kind, options) for kind, (options, _) in OPTIONS.items()))
    return made


@pytest.mark.parametrize("kind", OPTIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=sequences())
async def test_what_starts_and_when_is_what_the_model_says(watched: Watched, kind: str, sequence: Sequence) -> None:
    events, seen = await watched.run(kind, sequence)
    assert seen == sorted(OPTIONS[kind][1](events))


class Ordered:
    """A function with one place, which is taken until all events are there."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.examples = itertools.count()
        self.order: dict[str, list[int]] = defaultdict(list)
        self.taken = asyncio.Event()
        self.free = asyncio.Event()

    async def work(self, example: str, number: int) -> None:
        self.taken.set()
        await self.free.wait()
        self.order[example].append(number)

    def function(self) -> inngest.Function[Any]:
        @self.world.on(
            "ordered",
            concurrency=[inngest.Concurrency(limit=1, key="event.data.example")],
            priority=inngest.Priority(run="event.data.priority"),
        )
        async def ordered(ctx: inngest.Context) -> None:
            data = ctx.event.data
            await ctx.step.run("work", self.work, str(data["example"]), int(str(data["number"])))

        made: inngest.Function[Any] = ordered
        return made

    async def run(self, jobs: list[tuple[int, int]]) -> list[int]:
        """The numbers of the events in the order that their work was done in; the first has the place."""
        example = str(next(self.examples))
        self.taken.clear()
        self.free.clear()
        for number, (gap, priority) in enumerate([(0, 0), *jobs]):
            self.world.engine.clock.freeze_at(self.world.engine.clock.now_ms() + gap * SECOND)
            await self.world.send("ordered", {"example": example, "number": number, "priority": priority})
            await self.taken.wait()
        self.free.set()
        await self.world.idle()
        return self.order[example]

    @staticmethod
    def model(jobs: list[tuple[int, int]]) -> list[int]:
        arrivals = list(itertools.accumulate(gap for gap, _ in jobs))
        ranks = [(at - priority, number) for number, (at, (_, priority)) in enumerate(zip(arrivals, jobs, strict=True))]
        return [0, *(number + 1 for _, number in sorted(ranks))]


@pytest.fixture
async def ordered(make_world: Any) -> Ordered:
    made = Ordered(await make_world(clock=ManualClock()))
    await made.world.serve(made.function())
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-2, 0, 1, 600])), min_size=1, max_size=10))
async def test_what_waits_for_a_place_starts_by_its_time_less_its_priority(
    ordered: Ordered, jobs: list[tuple[int, int]]
) -> None:
    assert await ordered.run(jobs) == ordered.model(jobs)
