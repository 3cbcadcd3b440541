"""The rules by themselves: expressions, rates, lanes, ids, durations, signatures, and flow control against a model."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riveredge_engine import gcra
from riveredge_engine.clock import iso, parse_iso
from riveredge_engine.config import Rate
from riveredge_engine.durations import parse_duration
from riveredge_engine.expressions import (
    EqualityTerm,
    ExpressionError,
    equality_term,
    key_value,
    matches,
    term_value,
)
from riveredge_engine.ids import UlidFactory, encode_ulid, seeded_ulids
from riveredge_engine.lanes import Lane, Slots
from riveredge_engine.models import Item, RunKeys
from riveredge_engine.signing import canonical_body, hash_key, sign, verify

EVENT = {"name": "x", "ts": 5, "data": {"n": 5, "s": "text", "list": [1, 2], "deep": {"a": {"b": True}}, "none": None}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event.data.n == 5", True),
        ("event.data.n > 4 && event.data.s == 'text'", True),
        ("event.data['deep'].a.b", True),
        ("event.data.missing == null", True),
        ("event.data.missing == 'x'", False),
        ("event.data.missing.deeper == 'x'", False),
        ("has(event.data.missing)", False),
        ("has(event.data.n)", True),
        ("event.data.none == null", True),
        ("2 in event.data.list", True),
        ("event.data.s.startsWith('te')", True),
        ("event.data.n", False),
        ("event.data.s > 5", False),
        ("this is no expression", False),
        (None, True),
        ("", True),
    ],
)
def test_conditions(text: str | None, expected: bool) -> None:
    assert matches(text, event=EVENT) is expected


def test_two_missing_fields_are_not_equal() -> None:
    text = "async.data.order == event.data.order"
    assert not matches(text, event={"data": {}}, incoming={"data": {}})
    assert matches(text, event={"data": {"order": None}}, incoming={"data": {"order": None}})
    assert matches(text, event={"data": {"order": 1}}, incoming={"data": {"order": 1}})


def test_key_values_are_equal_exactly_when_the_values_are() -> None:
    assert key_value("event.data.s", EVENT) == "text"
    assert key_value("event.data.n", EVENT) == "5"
    assert key_value('"fixed"', EVENT) == "fixed"
    with pytest.raises(ExpressionError):
        key_value("event.data.s > 5", EVENT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("async.data.id == event.data.s", EqualityTerm("data.id", '"text"')),
        ("event.data.s == async.data.id && async.data.n > 1", EqualityTerm("data.id", '"text"')),
        ("async.data.id == 'fixed'", EqualityTerm("data.id", '"fixed"')),
        ("async.data.n == event.data.n", None),
        ("async.data.id == event.data.s || true", None),
        ("async.data.id != event.data.s", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_wait_is_found_by(text: str | None, expected: EqualityTerm | None) -> None:
    assert equality_term(text, EVENT) == expected


@given(mine=st.sampled_from("abc"), other=st.sampled_from("abc"), extra=st.booleans())
def test_the_index_of_waits_misses_nothing_that_matches(mine: str, other: str, extra: bool) -> None:
    text = "async.data.id == event.data.id && async.data.ok == true"
    event, incoming = {"data": {"id": mine}}, {"data": {"id": other, "ok": extra}}
    term = equality_term(text, event)
    assert term is not None
    found = term_value(term.path, incoming) == term.value
    assert found or not matches(text, event=event, incoming=incoming)


arrivals = st.lists(st.integers(0, 5_000), min_size=1, max_size=60).map(
    lambda gaps: [sum(gaps[: n + 1]) for n in range(len(gaps))]
)


@given(times=arrivals, limit=st.integers(1, 5), period=st.integers(1_000, 20_000))
def test_a_rate_limit_never_lets_twice_its_limit_into_a_period(times: list[int], limit: int, period: int) -> None:
    rate, state = Rate(limit, period, None, burst=limit), 0.0
    let_in: list[int] = []
    for now in times:
        if gcra.opens_at(rate, state) <= now:
            state = gcra.arrive(rate, state, now)
            let_in.append(now)
    assert times[0] in let_in
    for start in let_in:
        assert sum(start <= at < start + period for at in let_in) <= 2 * limit - 1


@given(times=arrivals, limit=st.integers(1, 5), period=st.integers(1_000, 20_000), burst=st.integers(1, 4))
def test_a_throttle_delays_as_a_queue_with_that_rate_does(
    times: list[int], limit: int, period: int, burst: int
) -> None:
    """The model: starts come as early as they may, and no `burst + k` of them within `k` intervals."""
    rate, state = Rate(limit, period, None, burst=burst), 0.0
    starts: list[float] = []
    for now in times:
        at = max(float(now), starts[-1] if starts else 0.0, gcra.opens_at(rate, state))
        state = max(state, at) + period / limit
        starts.append(at)
    interval = period / limit
    for first in range(len(starts)):
        for last in range(first + burst, len(starts)):
            assert starts[last] - starts[first] >= interval * (last - first - burst + 1) - 1e-6


class Simulation:
    """Lanes at work, watched by a model that only counts who runs."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.slots = Slots()
        self.lanes: dict[tuple[str, ...], Lane] = {}
        self.ready: list[Lane] = []
        self.running: list[tuple[str, ...]] = []

    def may_run(self, names: tuple[str, ...]) -> bool:
        held = Counter(name for running in self.running for name in running)
        return all(held[name] < self.limits[name] for name in names)

    def add(self, number: int, names: tuple[str, ...]) -> None:
        lane = self.lanes.setdefault(names, Lane(len(self.lanes), "f", RunKeys(names), starting=False))
        lane.push(Item(number, str(number), "start", 0, "r", "f"))
        if not lane.placed:
            lane.placed = True
            self.ready.append(lane)

    def pump(self) -> None:
        while self.ready:
            self._try(self.ready.pop(0))
        # Whatever still waits is held up by a limit that is full.
        assert not any(len(lane) and self.may_run(names) for names, lane in self.lanes.items())

    def _try(self, lane: Lane) -> None:
        names = lane.keys.concurrency
        limits = [(name, self.limits[name]) for name in names]
        if (full := self.slots.first_full(limits)) is not None:
            self.slots.wait(lane, full)
        else:
            assert self.may_run(names)
            lane.pop()
            self.slots.acquire(limits)
            self.running.append(names)
            lane.placed = bool(len(lane))
            self.ready.extend([lane] if lane.placed else [])
        self.ready.extend(self.slots.pass_on(limits))

    def end(self, index: int) -> None:
        names = self.running.pop(index)
        self.ready.extend(self.slots.release([(name, self.limits[name]) for name in names]))


@given(
    limits=st.fixed_dictionaries({"a": st.integers(1, 3), "b": st.integers(1, 3), "all": st.integers(1, 4)}),
    jobs=st.lists(st.sampled_from([("a",), ("b",), ("a", "all"), ("b", "all"), ("all",)]), max_size=40),
    choices=st.randoms(use_true_random=False),
)
def test_lanes_hold_every_limit_and_leave_no_place_unused(
    limits: dict[str, int], jobs: list[tuple[str, ...]], choices: Any
) -> None:
    simulation = Simulation(limits)
    for number, names in enumerate(jobs):
        simulation.add(number, names)
        if choices.random() < 0.5:
            simulation.pump()
    simulation.pump()
    while simulation.running:
        simulation.end(choices.randrange(len(simulation.running)))
        simulation.pump()
    assert not any(len(lane) for lane in simulation.lanes.values())


def test_ulids_sort_in_the_order_they_were_made() -> None:
    factory = UlidFactory()
    made = [factory.new(instant) for instant in (5, 5, 7, 6, 8, 8)]
    assert made == sorted(set(made))
    assert encode_ulid(0, 0) == "0" * 26
    assert seeded_ulids("5,AAAAAAAAAAAAAA==", 2) == [encode_ulid(5, 0), encode_ulid(5, 1)]
    for wrong in ("x,AAAA", "5", "5,?"):
        with pytest.raises(ValueError, match=r".+"):
            seeded_ulids(wrong, 1)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("1s", 1000), ("90m", 5_400_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("1w", 604_800_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "1y", "-1s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, 4_000_000_000_000))
def test_instants_survive_being_written(instant: int) -> None:
    assert parse_iso(iso(instant)) == instant


def test_signatures() -> None:
    key, body = "signkey-test-" + "ab" * 16, b'{"b":1,"a":2}'
    signature = sign(key, body)
    assert verify(key, body, signature)
    assert verify("ab" * 16, body, signature)
    assert not verify(key, body + b" ", signature)
    assert not verify("cd" * 16, body, signature)
    assert not verify(key, body, sign(key, body, now=1_000_000_000))
    for wrong in (None, "", "t=x&s=y", "s=abc"):
        assert not verify(key, body, wrong)
    assert canonical_body(body) == b'{"a":2,"b":1}'
    assert len(hash_key(key)) == 64
    assert json.loads(canonical_body(b'{"x":1.50}')) == {"x": 1.5}
