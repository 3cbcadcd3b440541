"""Going back, and straight forward again; and what was done on the way, and is not wanted any more."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.orders import Undone
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import Visit
from riveredge_approvals.people.roster import Roster

from .cases import Named, Play, play
from .drawings import approver, choice, compiled, inclusive, node, parallel, when

A, B, C, D = (uuid4() for _ in range(4))
SMALL, SOME = when("form.amount", "lt", 100), when("form.amount", "gt", 1)
BIG: dict[str, Any] = {"amount": 500}
NONE: dict[str, Any] = {"amount": None}
FIRST = {"first"}
Y = approver("y", user=C)

STRAIGHT: list[tuple[str, Any, dict[str, Any], set[str]]] = [
    ("the same way", choice("c", (SMALL, [approver("x", user=B)]), (None, [])), {}, {"last"}),
    ("another branch", choice("c", (SMALL, [approver("x", user=B)]), (None, [])), BIG, FIRST),
    ("no value", choice("c", (SMALL, [approver("x", user=B)]), (None, [])), NONE, FIRST),
    ("a region, the same", parallel("p", [approver("x", user=B)], [approver("y", user=C)]), BIG, {"last"}),
    (
        "another branch within a region",
        parallel("p", [choice("c", (SMALL, [approver("x", user=B)]), (None, [approver("z", user=B)]))], [Y]),
        BIG,
        FIRST,
    ),
    ("more branches of a fork", inclusive("i", (SMALL, [approver("x", user=B)]), (SOME, [Y]), (None, [])), BIG, FIRST),
    ("the same of a fork", inclusive("i", (SMALL, [approver("x", user=B)]), (SOME, [Y]), (None, [])), {}, {"last"}),
    ("skipped, and not now", approver("x", user=B, skip_when=SMALL), BIG, FIRST),
    ("skipped as before", approver("x", user=B, skip_when=SMALL), {}, {"last"}),
]


@pytest.mark.parametrize("back_to", ["start", "first"])
@pytest.mark.parametrize("number", range(len(STRAIGHT)))
async def test_it_goes_straight_back_only_the_same_way(number: int, back_to: str) -> None:
    _, between, form, asked = STRAIGHT[number]
    drawn = compiled(
        approver("first", user=A, allow=["edit", "return"]),
        between,
        approver("last", user=D, allow=["return"]),
        settings={"resubmit": "direct"},
        form={"amount": {"type": "number"}},
    )
    game = await play(drawn, form={"amount": 5}).start()
    while "last" not in game.asked:
        await game.decide(game.pending[0].assignee_id)
    await game.send_back(D, back_to)
    if back_to == "start":
        await game.resubmit(**form)
        assert game.asked == asked
    else:
        game.case.write(form)
        await game.decide(A)
        straight = "visit.straight_back" in {note.kind for note in game.case.notes}
        assert straight == (asked == {"last"})
    # Whatever it was, it comes to its end.
    while game.pending:
        await game.decide(game.pending[0].assignee_id)
    assert game.status == ("approved" if form is not NONE or asked != FIRST else "running")


async def test_out_of_a_region_it_never_goes_straight_back() -> None:
    steps = (approver("first", user=A), parallel("p", [approver("x", user=B, allow=["return"])], [Y]))
    for back_to in ("start", "first"):
        game = await play(compiled(*steps, settings={"resubmit": "direct"})).start()
        await game.decide(A)
        await game.send_back(B, back_to)
        if back_to == "start":
            await game.resubmit()
            assert game.asked == {"first"}
        await game.decide(A)
        assert game.asked == {"x", "y"}
    # Within one branch it does.
    inside = parallel("p", [approver("a", user=A), approver("b", user=B), approver("d", user=D, allow=["return"])], [Y])
    game = await play(compiled(inside, settings={"resubmit": "direct"})).start()
    await game.decide(A)
    await game.decide(B)
    await game.send_back(D, "a")
    await game.decide(A)
    assert game.asked == {"d", "y"}


class WithoutD(Named):
    """The world after D has left."""

    async def roster(self, case: Case, visit: Visit, node: HumanNode) -> Roster:
        found = await super().roster(case, visit, node)
        left = [each for each in found.candidates if each.user_id != D]
        return replace(found, candidates=left) if left else Roster([], "block", {"en": "Nobody.", "zh-CN": "无人。"})


@pytest.mark.parametrize(("people", "asked"), [([C, D], {C}), ([D], set())])
async def test_it_goes_straight_back_to_the_node_where_who_returned_it_has_left(people: list[UUID], asked: Any) -> None:
    steps = (approver("first", user=A), approver("last", users=people, allow=["return"]))
    game = await play(compiled(*steps, settings={"resubmit": "direct"})).start()
    await game.decide(A)
    await game.send_back(D, "start")
    game.case.world = WithoutD()
    await game.resubmit()
    # Others decide by the rule of the node; where there are none, it says so, and does not pass.
    assert {task.assignee_id for task in game.pending} == asked
    assert game.status == "running"
    assert [(v.node, v.status) for v in game.case.open_visits] == [("last", "active" if asked else "incident")]


UNDONE: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("reject", lambda game: game.decide(D, "rejected"), [("two", "rejected")]),
    ("return", lambda game: game.send_back(D, "mid"), [("two", "returned")]),
    ("to start", lambda game: game.send_back(D, "start"), [("one", "returned"), ("two", "returned")]),
    ("jump back", lambda game: game.jump("mid"), [("two", "jumped")]),
    ("jump to one", lambda game: game.jump("one"), [("one", "jumped"), ("two", "jumped")]),
    ("jump forward", lambda game: game.jump("tail"), []),
    ("jump to end", lambda game: game.jump("end"), []),
    ("terminate", lambda game: game.terminate(), [("one", "terminated"), ("two", "terminated")]),
    ("approve", lambda game: game.decide(D), []),
]


@pytest.mark.parametrize("number", range(len(UNDONE)))
async def test_what_was_done_is_undone_once(number: int) -> None:
    _, act, undone = UNDONE[number]
    drawn = compiled(
        node("one", "webhook", connection="erp"),
        approver("mid", user=A),
        node("two", "webhook", connection="erp", compensate_on_reject=True),
        approver("last", user=D, allow=["return"]),
        node("tail", "webhook", connection="erp"),
    )

    async def through(game: Play) -> Play:
        for _ in range(4):
            for visit in game.case.open_visits:
                if visit.kind == "effect":
                    game.give("effect.done", visit=str(visit.id), ok=True, result=None)
            await game.hop()
            if "mid" in game.asked:
                await game.decide(A)
        return game

    def told(game: Play) -> list[tuple[str, str]]:
        return [(order.visit.node, order.because) for order in game.case.orders if isinstance(order, Undone)]

    game = await through(await play(drawn).start())
    assert game.asked == {"last"}
    await act(game)
    assert told(game) == undone
    # It may come that way again, and be ended then: what was undone is not undone twice.
    if game.status == "draft":
        await game.resubmit()
    if game.status == "running":
        again = len([v for v in (await through(game)).case.visits if v.kind == "effect" and v.data.get("result")])
        await game.terminate()
        assert len(told(game)) == len({order.visit.id for order in game.case.orders if isinstance(order, Undone)})
        assert len(told(game)) >= again
