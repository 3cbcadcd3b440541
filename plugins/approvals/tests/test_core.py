"""The core, move by move: tallies, regions, returns, deadlines; in memory."""

from typing import Any
from uuid import uuid4

import pytest

from riveredge_approvals.engine import acts, undoing
from riveredge_approvals.engine.orders import Copied

from .cases import Play, play
from .drawings import approver, cc, compiled
from .flows import END, START, flow, human, user

A, B, C, D = (uuid4() for _ in range(4))


def one(**more: Any) -> Any:
    """One node on which A, B and C are asked."""
    return flow({"start": {**START, "next": {"passed": "mgr"}}, "mgr": human("end", A, B, C, **more), "end": END})


TALLIES: list[tuple[dict[str, Any], list[tuple[Any, str]], str]] = [
    ({"mode": "any"}, [(A, "approved")], "approved"),
    ({"mode": "any"}, [(A, "rejected")], "rejected"),
    ({"mode": "any", "reject": "all"}, [(A, "rejected"), (B, "rejected")], "running"),
    ({"mode": "any", "reject": "all"}, [(A, "rejected"), (B, "rejected"), (C, "rejected")], "rejected"),
    ({"mode": "any", "reject": "all"}, [(A, "rejected"), (B, "approved")], "approved"),
    ({"mode": "any"}, [(A, "abstained"), (B, "abstained"), (C, "abstained")], "rejected"),
    ({"mode": "all"}, [(A, "approved"), (B, "approved")], "running"),
    ({"mode": "all"}, [(A, "approved"), (B, "approved"), (C, "approved")], "approved"),
    ({"mode": "all"}, [(A, "approved"), (B, "abstained"), (C, "abstained")], "approved"),
    ({"mode": "all"}, [(A, "approved"), (B, "rejected")], "rejected"),
    ({"mode": "all", "reject": "collect"}, [(A, "rejected"), (B, "approved")], "running"),
    ({"mode": "all", "reject": "collect"}, [(A, "rejected"), (B, "approved"), (C, "approved")], "rejected"),
    ({"mode": "sequential"}, [(A, "approved"), (B, "approved")], "running"),
    ({"mode": "sequential"}, [(A, "approved"), (B, "approved"), (C, "approved")], "approved"),
    ({"mode": "sequential"}, [(A, "approved"), (B, "rejected")], "rejected"),
    ({"mode": "ratio", "ratio": 66}, [(A, "approved"), (B, "approved")], "approved"),
    ({"mode": "ratio", "ratio": 67}, [(A, "approved"), (B, "approved")], "running"),
    ({"mode": "ratio", "ratio": 67}, [(A, "approved"), (B, "rejected")], "rejected"),
    ({"mode": "ratio", "ratio": 50}, [(A, "abstained"), (B, "approved")], "approved"),
    ({"mode": "ratio", "ratio": 50}, [(A, "abstained"), (B, "abstained"), (C, "abstained")], "rejected"),
    ({"mode": "n_of_m", "count": 2}, [(A, "approved"), (B, "approved")], "approved"),
    ({"mode": "n_of_m", "count": 2}, [(A, "rejected"), (B, "rejected")], "rejected"),
    ({"mode": "n_of_m", "count": 2}, [(A, "rejected"), (B, "approved")], "running"),
]


@pytest.mark.parametrize("number", range(len(TALLIES)))
async def test_the_tally_decides(number: int) -> None:
    tally, decisions, status = TALLIES[number]
    game = await play(one(tally=tally, abstain=True)).start()
    for who, outcome in decisions:
        await game.decide(who, outcome)
    assert game.status == status
    if status != "running":
        assert not game.case.open_tasks
        # Whoever did not come to decide is never said to have rejected.
        decided = {str(who) for who, _ in decisions}
        others = [task for task in game.case.tasks if str(task.assignee_id) not in decided]
        assert {(task.state, task.reason) for task in others} <= {("closed", "decided")}


async def test_weights_decide_by_their_sum() -> None:
    nodes = {"start": {**START, "next": {"passed": "mgr"}}, "end": END}
    weighed = human("end", user(A, 3), user(B, 2), user(C, 1), tally={"mode": "weight", "over": 3})
    game = await play(flow({**nodes, "mgr": weighed})).start()
    await game.decide(B)
    assert game.status == "running"
    await game.decide(A, "rejected")
    assert game.status == "rejected"
    game = await play(flow({**nodes, "mgr": weighed})).start()
    await game.decide(A)
    await game.decide(C)
    assert game.status == "approved"


async def test_in_a_sequence_one_is_asked_after_the_other() -> None:
    game = await play(one(tally={"mode": "sequential"})).start()
    assert game.states("mgr") == ["pending", "waiting:turn", "waiting:turn"]
    await game.decide(A)
    assert game.states("mgr") == ["approved", "pending", "waiting:turn"]


def region(**join: Any) -> Any:
    """Two branches: A then B in the one, C in the other; D before the fork and behind the join."""
    inside = {"region": (("par", 0),)}
    return flow(
        {
            "start": {**START, "next": {"passed": "first"}},
            "first": human("par", D),
            "par": {"kind": "parallel", "branches": [("a", True), ("c", True)], "join": "join"},
            "a": human("b", A, **inside, return_targets=("start", "first"), allow=["return"]),
            "b": human("join", B, **inside, return_targets=("start", "first", "a"), allow=["return"]),
            "c": human("join", C, region=(("par", 1),), return_targets=("start", "first"), allow=["return"]),
            "join": {"kind": "join", "fork": "par", "next": {"passed": "last"}, **join},
            "last": human("end", D, return_targets=("start", "first"), allow=["return"]),
            "end": END,
        }
    )


async def into_region(**join: Any) -> Play:
    """A game in which both branches are open."""
    game = await play(region(**join)).start()
    await game.decide(D)
    assert game.asked == {"a", "c"}
    return game


async def test_a_join_waits_for_its_branches() -> None:
    game = await into_region()
    await game.decide(C)
    await game.decide(A)
    assert game.asked == {"b"}
    await game.decide(B)
    assert game.asked == {"last"}
    await game.decide(D)
    assert game.status == "approved"
    taken = [edge for visit in game.case.visits for edge in visit.edges]
    drawn = "start-first first-par par-a par-c a-b b-join c-join join-last last-end"
    assert sorted(taken) == sorted(drawn.split())


async def test_a_return_inside_a_branch_leaves_the_other_alone() -> None:
    game = await into_region()
    await game.decide(A)
    await game.send_back(B, "a")
    assert game.asked == {"a", "c"}
    again = game.case.last_visit("a")
    assert again is not None
    assert again.number == 2
    await game.decide(C)
    await game.decide(A)
    await game.decide(B)
    assert game.asked == {"last"}


@pytest.mark.parametrize("decided_meanwhile", [False, True])
async def test_a_return_out_of_a_region_cancels_all_of_it(decided_meanwhile: bool) -> None:
    game = await into_region()
    await game.decide(A)
    if decided_meanwhile:
        # Both fall before a hop comes: the other branch's token must not go on.
        await game.send_back(C, "first", hop=False)
        await game.decide(B, hop=False)
        await game.hop()
    else:
        await game.send_back(C, "first")
    assert game.asked == {"first"}
    assert {task.node for task in game.case.open_tasks} == {"first"}
    for who in (D, A, C, B, D):
        await game.decide(who)
    assert game.status == "approved"


@pytest.mark.parametrize(("rule", "status"), [({}, "rejected"), ({"branch_reject": "arrive"}, "running")])
async def test_a_rejected_branch_ends_all_or_arrives(rule: dict[str, Any], status: str) -> None:
    game = await into_region(**rule)
    await game.decide(C, "rejected")
    assert game.status == status
    if status == "running":
        await game.decide(A)
        await game.decide(B)
        assert game.asked == {"last"}
        again = await into_region(**rule)
        await again.decide(C, "rejected")
        await again.decide(A, "rejected")
        assert again.status == "rejected"


async def test_inclusive_forks_take_what_holds_or_the_last_branch() -> None:
    nodes = {
        "start": {**START, "next": {"passed": "fork"}},
        "fork": {
            "kind": "inclusive",
            "branches": [
                ("a", ["gt", "form.amount", "100"]),
                ("b", ["gt", "form.amount", "1000"]),
                ("c", True),
            ],
            "join": "join",
        },
        "a": human("join", A, region=(("fork", 0),)),
        "b": human("join", B, region=(("fork", 1),)),
        "c": human("join", C, region=(("fork", 2),)),
        "join": {"kind": "join", "fork": "fork", "next": {"passed": "end"}},
        "end": END,
    }
    types = {"form.amount": "number"}
    for amount, asked in ((5000, {"a", "b"}), (500, {"a"}), (5, {"c"})):
        game = await play(flow(nodes, types=types), form={"amount": amount}).start()
        assert game.asked == asked
        for name in asked:
            await game.decide({"a": A, "b": B, "c": C}[name])
        assert game.status == "approved"


async def test_a_condition_without_its_field_is_an_incident_and_can_be_mended() -> None:
    nodes = {
        "start": {**START, "next": {"passed": "cond"}},
        "cond": {"kind": "choice", "branches": [("a", ["gt", "form.amount", "100"]), ("end", True)]},
        "a": human("end", A),
        "end": END,
    }
    game = await play(flow(nodes, types={"form.amount": "number"})).start()
    assert game.status == "running"
    (stuck,) = game.case.open_visits
    assert stuck.status == "incident"
    assert stuck.data["incident"] == {"en": "form.amount has no value.", "zh-CN": "字段 form.amount 没有值。"}
    game.case.write({"amount": 200})
    game.give("incident.mended", visit=str(stuck.id))
    await game.hop()
    assert game.asked == {"a"}
    assert stuck.data["read"] == {"form.amount": 200}


@pytest.mark.parametrize(("resubmit", "asked"), [("replay", "first"), ("direct", "second")])
async def test_what_comes_back_is_replayed_or_goes_straight_back(resubmit: str, asked: str) -> None:
    nodes = {
        "start": {**START, "next": {"passed": "first"}},
        "first": human("cond", A),
        "cond": {"kind": "choice", "branches": [("second", ["lt", "form.amount", "100"]), ("end", True)]},
        "second": human("end", B, return_targets=("start", "first"), allow=["return"]),
        "end": END,
    }
    drawn = flow(nodes, {"resubmit": resubmit}, types={"form.amount": "number"})
    game = await play(drawn, form={"amount": 5}).start()
    await game.decide(A)
    await game.send_back(B, "start")
    assert (game.status, game.asked) == ("draft", set())
    await game.resubmit(amount=6)
    assert game.asked == {asked}
    assert game.case.instance.form_rev == 2
    # With other values the way does not lead back there any more, so all of it is replayed.
    other = await play(drawn, form={"amount": 5}).start()
    await other.decide(A)
    await other.send_back(B, "start")
    await other.resubmit(amount=500)
    assert other.asked == {"first"}
    # The same to a node on the way.
    third = await play(drawn, form={"amount": 5}).start()
    await third.decide(A)
    await third.send_back(B, "first")
    assert third.asked == {"first"}
    await third.decide(A)
    assert third.asked == {"second"}
    assert ("visit.straight_back" in {note.kind for note in third.case.notes}) == (resubmit == "direct")


async def test_a_rejection_can_leave_by_an_edge_or_go_back() -> None:
    nodes = {
        "start": {**START, "next": {"passed": "first"}},
        "first": human("mgr", A),
        "mgr": human("end", B, on_reject={"action": "return", "to": "first"}),
        "end": END,
    }
    game = await play(flow(nodes)).start()
    await game.decide(A)
    await game.decide(B, "rejected")
    assert (game.status, game.asked) == ("running", {"first"})
    leaving = {**human("end", B, on_reject={"action": "edge"}), "next": {"passed": "end", "rejected": "other"}}
    game = await play(flow({**nodes, "mgr": leaving, "other": human("end", C)})).start()
    await game.decide(A)
    await game.decide(B, "rejected")
    assert game.asked == {"other"}


@pytest.mark.parametrize(("auto", "status"), [("approve", "approved"), ("reject", "rejected")])
async def test_a_node_may_decide_by_itself(auto: str, status: str) -> None:
    game = await play(compiled(approver("mgr", user=A, auto=auto))).start()
    assert (game.status, game.case.tasks) == (status, [])


@pytest.mark.parametrize(("rule", "times"), [("each_visit", 2), ("once", 1)])
async def test_copies_go_once_or_each_time(rule: str, times: int) -> None:
    steps = (approver("mgr", user=A), cc("tell", user=C, when=rule), approver("last", user=B, allow=["return"]))
    game = await play(compiled(*steps)).start()
    await game.decide(A)
    await game.send_back(B, "mgr")
    await game.decide(A)
    assert game.asked == {"last"}
    assert [list(order.users) for order in game.case.orders if isinstance(order, Copied)] == [[C]] * times


CHILDREN: list[tuple[dict[str, Any], str, set[str]]] = [
    ({}, "rejected", set()),
    ({"on_reject": {"action": "edge"}}, "running", {"other"}),
    ({"on_reject": {"action": "return", "to": "first"}}, "running", {"first"}),
]


@pytest.mark.parametrize(("rule", "status", "asked"), CHILDREN)
async def test_a_child_that_is_rejected_does_what_its_node_says(
    rule: dict[str, Any], status: str, asked: set[str]
) -> None:
    child = {"kind": "subflow", "process": "child", "map_out": {"sum": "form.total"}, **rule}
    nodes = {
        "start": {**START, "next": {"passed": "first"}},
        "first": human("sub", A),
        "sub": {**child, "next": {"passed": "end", "rejected": "other"}},
        "other": human("end", B),
        "end": END,
    }
    for outcome in ("rejected", "approved", "withdrawn"):
        game = await play(flow(nodes)).start()
        await game.decide(A)
        (visit,) = game.case.open_visits
        game.give("child.finished", visit=str(visit.id), outcome=outcome, form={"total": 7})
        await game.hop()
        if outcome == "rejected":
            assert (game.status, game.asked) == (status, asked)
        elif outcome == "approved":
            assert (game.status, game.case.instance.form) == ("approved", {"sum": 7})
        else:
            assert (game.status, visit.status) == ("running", "incident")


DEADLINES = [("approve", "approved"), ("reject", "rejected"), ("close", "terminated"), ("none", "running")]


@pytest.mark.parametrize(("action", "status"), DEADLINES)
async def test_a_deadline_acts(action: str, status: str) -> None:
    deadline = {"name": "deadline", "after_s": 60, "action": action}
    game = await play(one(tally={"mode": "all"}, deadlines=[deadline])).start()
    visit = game.case.last_visit("mgr")
    assert visit is not None
    await game.decide(A)
    for _ in range(2):
        game.give("timer.due", visit=str(visit.id), name="deadline")
        await game.hop()
        assert game.status == status


@pytest.mark.parametrize("action", ["transfer", "escalate"])
async def test_a_deadline_asks_whoever_is_above(action: str) -> None:
    deadline = {"name": "deadline", "after_s": 60, "action": action, "to": user(D)}
    game = await play(one(tally={"mode": "all"}, deadlines=[deadline])).start()
    await game.decide(A)
    visit = game.case.last_visit("mgr")
    assert visit is not None
    game.give("timer.due", visit=str(visit.id), name="deadline")
    await game.hop()
    assert game.states("mgr")[0] == "approved"
    assert game.states("mgr").count("timed_out:timeout") == 2
    await game.decide(D)
    assert game.status == "approved"


async def test_a_withdrawn_instance_takes_nothing_in() -> None:
    game = await into_region()
    await game.decide(A, hop=False)
    game.withdraw()
    await game.hop()
    assert game.status == "withdrawn"
    assert not game.case.open_tasks
    assert not game.case.tokens
    assert {task.reason for task in game.case.tasks if task.state == "closed"} == {"withdrawn"}


async def test_nobody_is_an_incident_and_no_pass() -> None:
    game = await play(flow({"start": {**START, "next": {"passed": "mgr"}}, "mgr": human("end"), "end": END})).start()
    assert game.status == "running"
    assert game.case.open_visits[0].status == "incident"


async def test_in_a_sequence_those_who_are_added_beside_come_next() -> None:
    game = await play(one(tally={"mode": "sequential"}, allow=["add_sign"])).start()
    acts.add_signers(game.case, game.task(A), game.case.open_visits[0], [D], where="parallel", mode="all")
    for who in (A, D, B, C):
        assert [task.assignee_id for task in game.pending] == [who]
        await game.decide(who)
    assert game.status == "approved"


async def test_signers_who_were_taken_off_count_no_more() -> None:
    game = await play(one(tally={"mode": "all", "reject": "collect"}, allow=["add_sign", "remove_sign"])).start()
    mine = game.task(A)
    visit = game.case.open_visits[0]
    (added,) = acts.add_signers(game.case, mine, visit, [D], where="after", mode="all")
    acts.remove_signer(game.case, mine, visit, added)
    for who in (A, B, C):
        await game.decide(who)
    assert game.status == "approved"


async def test_nothing_is_taken_back_once_its_region_was_left_otherwise() -> None:
    game = await into_region()
    mine = game.task(C)
    await game.decide(C)
    visit = game.case.visit(mine.visit_id)
    assert visit is not None
    assert not undoing.since(game.case, visit, mine)
    game.give("instance.jumped", to="first")
    await game.hop()
    await game.decide(D)
    assert game.asked == {"a", "c"}
    assert undoing.since(game.case, visit, mine)[0].what == "moved"
