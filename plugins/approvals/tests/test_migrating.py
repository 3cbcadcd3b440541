"""Where instances stand when they are moved to another version: what is carried over, and how it goes on there."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.migrating import migrate, plan
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import InstanceStatus

from .cases import Play, play
from .flows import END, START, flow, human

A, B, C = (uuid4() for _ in range(3))
Act = Callable[[Play], Awaitable[None]]
BEGIN = {"start": {**START, "next": {"passed": "a"}}, "end": END}


@dataclass
class Row:
    """A case of the table.

    Attributes:
        old, new: the nodes beside start and end; `new` is what differs there, None for nodes that are gone.
        bring: brings the instance to where it stands.
        why: what keeps it; empty if nothing does.
        go_on: what happens on the new version, until it is approved.
        names: what nodes are called there.
    """

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    bring: Act
    why: str = ""
    go_on: Act | None = None
    names: Mapping[str, str] | None = None
    settings: Mapping[str, Any] | None = None

    def version(self, number: int, nodes: Mapping[str, Any]) -> CompiledFlow:
        """One of the two. Edges keep their ids where nodes are called otherwise."""
        drawn = flow({**BEGIN, **nodes}, self.settings).model_copy(update={"version": number})
        text = drawn.model_dump_json()
        for before, after in (self.names or {}).items():
            text = re.sub(rf'"edge":"(\w+)-{after}"', rf'"edge":"\1-{before}"', text)
        return CompiledFlow.model_validate_json(text)


async def nothing(_game: Play) -> None:
    """It has just been submitted."""


async def suspend(game: Play) -> None:
    game.case.instance.status = InstanceStatus.SUSPENDED


async def resume(game: Play) -> None:
    game.case.instance.status = InstanceStatus.RUNNING
    await game.hop()


def then(*acts_: Act) -> Act:
    """One after the other."""

    async def all_of(game: Play) -> None:
        for each in acts_:
            await each(game)

    return all_of


def decides(user: object, outcome: str = "approved", *, hop: bool = True) -> Act:
    return lambda game: game.decide(user, outcome, hop=hop)


def returns(user: object, to: str, *, hop: bool = True) -> Act:
    return lambda game: game.send_back(user, to, hop=hop)


def given(kind: str, **data: Any) -> Act:
    """Something happens to the latest visit of `a`."""

    async def give(game: Play) -> None:
        visit = game.case.last_visit("a") or game.case.last_visit("b")
        assert visit is not None
        game.give(kind, visit=str(visit.id), **data)
        await game.hop()

    return give


async def resubmit(game: Play) -> None:
    await game.resubmit()


async def adds(game: Play) -> None:
    """A has C asked before herself."""
    visit = game.case.last_visit("a")
    assert visit is not None
    acts.add_signers(game.case, game.task(A), visit, [C], where="before", mode="all")


async def takes(game: Play) -> None:
    acts.take(game.case, game.task(A))


def mode(name: str, **more: Any) -> dict[str, Any]:
    return {"tally": {"mode": name, **more}}


HOOK = {"kind": "effect", "effect": "webhook", "wait_callback": True, "next": {"passed": "end"}}
WAIT = {"kind": "delay", "for_s": 3600, "next": {"passed": "end"}}
CHILD = {"kind": "subflow", "process": "other", "next": {"passed": "end"}, "map_out": {"x": "form.x"}}
FORK = {"kind": "parallel", "branches": [("b", True), ("c", True)], "join": "j"}
JOIN = {"kind": "join", "fork": "a", "next": {"passed": "end"}}


def forked(**more: Any) -> dict[str, Any]:
    """Two branches with somebody each."""
    inside = {"b": human("j", A, region=[("a", 0)]), "c": human("j", B, region=[("a", 1)])}
    return {"a": FORK, **inside, "j": JOIN, **more}


BOTH = {"a": human("end", A, B, **mode("all"))}
TWO = {"a": human("b", A), "b": human("end", B, return_targets=("a", "start"))}
THREE = {"a": human("m", A), "m": human("b", C), "b": human("end", B, return_targets=("a", "start"))}
RENAMED = {
    "x": human("b", A),
    "b": human("end", B, return_targets=("x", "start")),
    "start": {**START, "next": {"passed": "x"}},
}
ROWS: dict[str, Row] = {
    "suspended, alike": Row(BOTH, BOTH, then(decides(A), suspend), go_on=then(resume, decides(B))),
    "suspended, asked otherwise": Row(BOTH, {"a": human("end", A, B)}, suspend, "resume it first"),
    "suspended, decided meanwhile": Row(
        {"a": human("end", A)},
        {"a": human("b", A), "b": human("end", B)},
        then(decides(A, hop=False), suspend),
        go_on=then(resume, decides(B)),
    ),
    "a draft": Row(
        TWO, {"a": human("end", A)}, then(decides(A), returns(B, "start")), go_on=then(resubmit, decides(A))
    ),
    "a draft that goes straight back": Row(
        TWO,
        {"a": human("y", A), "b": None, "y": human("end", B)},
        then(decides(A), returns(B, "start")),
        go_on=then(resubmit, decides(B)),
        names={"b": "y"},
        settings={"resubmit": "direct"},
    ),
    "a draft that cannot go straight back": Row(
        TWO,
        {"a": human("end", A), "b": None},
        then(decides(A), returns(B, "start")),
        "there is no such node",
        settings={"resubmit": "direct"},
    ),
    "returned": Row(
        TWO,
        RENAMED,
        then(decides(A), returns(B, "a")),
        go_on=then(decides(A), decides(B)),
        names={"a": "x"},
    ),
    "returned, and goes straight back": Row(
        THREE,
        {"b": None, "m": human("y", C), "y": human("end", B)},
        then(decides(A), decides(C), returns(B, "a")),
        go_on=then(decides(A), decides(B)),
        names={"b": "y"},
        settings={"resubmit": "direct"},
    ),
    "returned, and the way is another one": Row(
        THREE,
        {"m": human("z", C), "z": human("b", A)},
        then(decides(A), decides(C), returns(B, "a")),
        go_on=then(decides(A), decides(C), decides(A), decides(B)),
        settings={"resubmit": "direct"},
    ),
    "being returned": Row(
        TWO,
        RENAMED,
        then(decides(A), returns(B, "a", hop=False), suspend),
        go_on=then(resume, decides(A), decides(B)),
        names={"a": "x"},
    ),
    "being returned to what is gone": Row(
        TWO,
        {"a": None, "start": {**START, "next": {"passed": "b"}}, "b": human("end", B)},
        then(decides(A), returns(B, "a", hop=False), suspend),
        "It is being returned there",
    ),
    "an effect that waits to be called back": Row(
        {"a": HOOK},
        {"a": {**HOOK, "next": {"passed": "b"}}, "b": human("end", A)},
        nothing,
        go_on=then(given("effect.done", ok=True, result={}), decides(A)),
    ),
    "an effect that waits here alone": Row(
        {"a": HOOK}, {"a": {**HOOK, "wait_callback": False}}, nothing, "called back"
    ),
    "another effect": Row({"a": HOOK}, {"a": {**HOOK, "effect": "notify"}}, nothing, "and notify there"),
    "an effect that has failed": Row(
        {"a": HOOK},
        {"a": HOOK},
        given("effect.done", ok=False, error="No."),
        go_on=then(given("incident.mended"), given("effect.done", ok=True, result={})),
    ),
    "a delay": Row(
        {"a": WAIT},
        {"b": {**WAIT, "for_s": 60}, "a": None, "start": {**START, "next": {"passed": "b"}}},
        nothing,
        go_on=given("timer.due", name="delay"),
        names={"a": "b"},
    ),
    "a delay until something else": Row(
        {"a": WAIT}, {"a": {**WAIT, "for_s": None, "until": "form.x"}}, nothing, "else"
    ),
    "a request within it": Row(
        {"a": CHILD},
        {"a": {**CHILD, "map_out": {}, "next": {"passed": "b"}}, "b": human("end", A)},
        nothing,
        go_on=then(given("child.finished", outcome="approved", form={"x": 1}), decides(A)),
    ),
    "another request within it": Row({"a": CHILD}, {"a": {**CHILD, "process": "third"}}, nothing, "Another process"),
    "an open join": Row(forked(), forked(), decides(A), go_on=decides(B)),
    "an open join that waits for more": Row(
        forked(),
        forked(a={**FORK, "branches": [("b", True), ("c", True), ("d", True)]}, d=human("j", C, region=[("a", 2)])),
        decides(A),
        "there it waits for others",
    ),
    "an open join that takes rejections": Row(
        forked(), forked(j={**JOIN, "branch_reject": "arrive"}), decides(A), "there it waits for others"
    ),
    "a branch that is another one there": Row(
        forked(),
        forked(b=human("j", A, region=[("a", 1)]), c=human("j", B, region=[("a", 0)])),
        nothing,
        "another branch",
    ),
    "a countersign, half done": Row(BOTH, BOTH, decides(A), go_on=decides(B)),
    "a countersign, half done, asked otherwise": Row(
        BOTH, {"a": human("end", A, B, **mode("sequential"))}, decides(A), "decide together otherwise"
    ),
    "a countersign on which nobody has acted": Row(
        BOTH, {"a": human("end", A, C, **mode("all", reject="collect"))}, nothing, go_on=then(decides(A), decides(C))
    ),
    "a sequence, half done": Row(
        {"a": human("end", A, B, **mode("sequential"))},
        {"a": human("end", A, B, **mode("sequential"))},
        decides(A),
        go_on=decides(B),
    ),
    "somebody is asked before": Row(BOTH, BOTH, adds, go_on=then(decides(C), decides(A), decides(B))),
    "somebody is asked before, then otherwise": Row(BOTH, {"a": human("end", A, B)}, adds, "decide together otherwise"),
    "a pool": Row(
        {"a": human("end", A, B, claim=True)}, {"a": human("end", A, B, claim=True)}, takes, go_on=decides(A)
    ),
    "a pool that is none there": Row(
        {"a": human("end", A, B, claim=True)}, {"a": human("end", A, B)}, takes, "decide together otherwise"
    ),
}


@pytest.mark.parametrize("name", ROWS)
async def test_an_instance_is_moved_where_it_can_go_on(name: str) -> None:
    row = ROWS[name]
    old = row.version(1, row.old)
    nodes = {key: node for key, node in {**row.old, **row.new}.items() if row.new.get(key, node) is not None}
    new, names = row.version(2, {**nodes, **{k: v for k, v in row.new.items() if v is not None}}), row.names or {}
    game = await play(old).start()
    game.case.instance.choices = {"a": [str(A)]}
    await row.bring(game)
    why = " ".join(place.why for place in plan(game.case, new, names) if place.why)
    if row.why:
        assert row.why in why
        return
    assert why == ""
    await migrate(game.case, new, names)
    assert (game.case.flow.version, list(game.case.instance.choices)) == (2, [names.get("a", "a")])
    assert {visit.node for visit in game.case.tokens} <= new.nodes.keys()
    assert row.go_on is not None
    await row.go_on(game)
    assert game.status == "approved", [str(note.kind) for note in game.case.notes]
