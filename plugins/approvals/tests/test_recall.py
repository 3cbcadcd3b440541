"""Decisions are taken back until somebody acts on them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.undoing import since, undo
from riveredge_approvals.models import Task
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl
from riveredge_sdk.testing.plugin import AsUser

from .cases import Play, play
from .drawings import approver, cc, choice, node, parallel
from .drawings import compiled as flow
from .requests import API, Publish, decide, ended, submit, todo, user_of

A, B, C, D = uuid4(), uuid4(), uuid4(), uuid4()
NAMES = {A: "A", B: "B", C: "C", D: "D"}


def decided(played: Play, user: object, node: str) -> Task:
    """What somebody has decided on a node."""
    found = [task for task in played.case.tasks if str(task.assignee_id) == str(user) and task.node == node]
    return next(task for task in found if task.state in {"approved", "rejected", "returned"})


def kept(played: Play, user: object, node: str) -> list[str]:
    """What keeps a decision from being taken back."""
    task = decided(played, user, node)
    visit = played.case.visit(task.visit_id)
    assert visit is not None
    return [each.what for each in since(played.case, visit, task)]


def recall(played: Play, user: object, node: str) -> None:
    assert kept(played, user, node) == []
    task = decided(played, user, node)
    visit = played.case.visit(task.visit_id)
    assert visit is not None
    undo(played.case, visit, task)


async def test_of_any_all_are_asked_again() -> None:
    played = await play(flow(approver("any", users=[A, B]), cc("cc", user=C), approver("next", user=D))).start()
    await played.decide(A)
    assert played.asked == {"next"}
    recall(played, A, "any")
    assert played.states("any") == ["closed:recalled", "pending", "pending"]
    assert played.states("next") == ["closed:recalled"]
    assert played.asked == {"any"}
    # And again, the other way round; what was cancelled then is nobody's act.
    await played.decide(B)
    recall(played, B, "any")
    await played.decide(A)
    await played.decide(D)
    assert played.status == "approved"


async def test_a_rejection_is_taken_back_before_it_is_followed() -> None:
    played = await play(flow(approver("all", users=[A, B], mode="all"))).start()
    await played.decide(A, "rejected", hop=False)
    assert played.states("all") == ["rejected", "closed:decided"]
    recall(played, A, "all")
    # The input about the decision comes late, and moves nothing.
    await played.hop()
    assert (played.status, len(played.pending)) == ("running", 2)
    await played.decide(A)
    await played.decide(B, "rejected")
    assert played.status == "rejected"
    assert kept(played, B, "all") == ["ended"]


async def test_in_a_sequence_the_next_one_waits_again() -> None:
    played = await play(flow(approver("seq", users=[A, B, C], mode="sequential"), approver("next", user=D))).start()
    await played.decide(A)
    recall(played, A, "seq")
    assert [str(task.assignee_id) for task in played.pending] == [str(A)]
    await played.decide(A)
    await played.decide(B)
    assert kept(played, A, "seq") == ["decided"]
    recall(played, B, "seq")
    await played.decide(B)
    await played.decide(C)
    recall(played, C, "seq")
    assert played.asked == {"seq"}
    await played.decide(C)
    await played.decide(D)
    assert played.status == "approved"


async def test_a_branch_leaves_its_join_again() -> None:
    inner = parallel("in", [approver("x", user=A)], [approver("y", user=B)])
    played = await play(
        flow(parallel("out", [inner], [approver("z", user=C)]), choice("c", (None, [])), approver("next", user=D))
    ).start()
    await played.decide(A)
    await played.decide(C)
    recall(played, C, "z")
    recall(played, A, "x")
    await played.decide(C)
    await played.decide(B)
    await played.decide(A)
    # Both joins have passed, and the choice: all of it comes undone.
    assert played.asked == {"next"}
    recall(played, B, "y")
    assert played.asked == {"y"}
    assert {v.node for v in played.case.open_visits} == {"y", "in_join", "out_join"}
    await played.decide(B)
    assert played.asked == {"next"}
    await played.decide(D)
    assert played.status == "approved"
    assert len([visit for visit in played.case.visits if visit.node == "end"]) == 1


async def test_what_has_happened_since_keeps_it() -> None:
    played = await play(flow(approver("mgr", user=A), approver("two", users=[B, C], mode="all"))).start()
    await played.decide(A)
    await played.decide(B)
    assert kept(played, A, "mgr") == ["decided"]
    played = await play(flow(approver("mgr", user=A), node("call", "webhook", connection="erp"))).start()
    await played.decide(A)
    assert kept(played, A, "mgr") == ["effect"]
    played = await play(flow(approver("mgr", user=A), node("sub", "subflow", process="child"))).start()
    await played.decide(A)
    assert kept(played, A, "mgr") == ["request"]
    played = await play(flow(approver("mgr", user=A), approver("ceo", user=B))).start()
    await played.decide(A)
    played.give("instance.jumped", to="mgr")
    await played.hop()
    assert kept(played, A, "mgr") == ["moved"]


async def test_a_return_is_taken_back_while_nobody_has_acted() -> None:
    steps = (approver("mgr", user=A), approver("two", users=[B, C], mode="all", allow=["return", "recall"]))
    for resubmit in ("replay", "direct"):
        for target in ("start", "mgr"):
            played = await play(flow(*steps, settings={"resubmit": resubmit})).start()
            await played.decide(A)
            await played.decide(C)
            for hop in (False, True):
                await played.send_back(B, target, hop=hop)
                recall(played, B, "two")
                await played.hop()
                # As it was: who has approved has, who returned it is asked anew.
                assert (played.status, played.asked) == ("running", {"two"})
                assert [str(task.assignee_id) for task in played.pending] == [str(B)]
            await played.send_back(B, target)
            if target == "start":
                await played.resubmit()
                assert kept(played, B, "two") == ["resubmitted"]
            else:
                await played.decide(A)
                assert kept(played, B, "two") == ["decided"]
    # The others beside, and all that went back with it from other branches, are as they were.
    beside = parallel("in", [approver("x", user=B, allow=["return"])], [approver("y", users=[C, D], mode="all")])
    played = await play(flow(approver("mgr", user=A), parallel("out", [beside], [approver("z", user=A)]))).start()
    await played.decide(A)
    await played.decide(C)
    played.give("nudge")
    for target in ("start", "mgr"):
        await played.send_back(B, target)
        assert kept(played, B, "x") == []
        recall(played, B, "x")
        assert (played.status, played.asked) == ("running", {"x", "y", "z"})
        assert sorted(played.states("y")) == ["approved", "pending"]
    for user in (B, D, A):
        await played.decide(user)
    assert played.status == "approved"
    # What was begun outside, or undone, is not begun anew.
    effect = node("call", "webhook", connection="erp")
    played = await play(flow(parallel("p", [approver("x", user=B, allow=["return"])], [effect]))).start()
    await played.send_back(B, "start")
    assert kept(played, B, "x") == ["cancelled"]
    played = await play(flow(effect, approver("x", user=B, allow=["return"]))).start()
    (visit,) = played.case.open_visits
    played.give("effect.done", visit=str(visit.id), ok=True, result={})
    await played.hop()
    await played.send_back(B, "start")
    assert kept(played, B, "x") == ["undone"]


async def test_an_opinion_is_taken_back_while_who_asked_has_not_acted_on_it() -> None:
    def asked(played: Play) -> str:
        return "".join(sorted(NAMES[task.assignee_id] for task in played.pending))

    async def begin(where: Any, mode: str, *people: Any, seat: str = "all") -> Play:
        drawn = flow(approver("mgr", users=[A, B], mode=seat, reject="collect" if seat == "all" else "first"))
        played = await play(drawn).start()
        task = played.task(A)
        played.case.actor = A
        visit = played.case.visit(task.visit_id)
        assert visit is not None
        if where == "delegate":
            acts.delegate(played.case, task, people[0])
        else:
            acts.add_signers(played.case, task, visit, people, where=where, mode=mode)
        return played

    # A delegate: it has come back to who asked, and goes there again.
    played = await begin("delegate", "", C)
    await played.decide(C, "rejected")
    assert asked(played) == "AB"
    recall(played, C, "mgr")
    assert asked(played) == "BC"
    await played.decide(C)
    # Who asks somebody else since has acted on it; so has who decides.
    acts.delegate(played.case, played.task(A), D)
    assert kept(played, C, "mgr") == ["acted"]
    await played.decide(D)
    assert kept(played, C, "mgr") == ["acted"]
    await played.decide(A)
    assert kept(played, D, "mgr") == ["decided"]

    # Before: one of any was enough, so the other is asked again, too.
    played = await begin("before", "any", C, D)
    await played.decide(C)
    assert asked(played) == "AB"
    recall(played, C, "mgr")
    assert asked(played) == "BCD"
    # A rejection is hers, too: it is not any more.
    await played.decide(D, "rejected")
    assert asked(played) == "B"
    recall(played, D, "mgr")
    assert asked(played) == "BCD"
    await played.decide(C)
    await played.decide(A)
    await played.decide(B)
    assert played.status == "approved"
    # In a sequence the next one waits again; who has decided stays decided.
    played = await begin("before", "sequential", C, D)
    await played.decide(C)
    assert asked(played) == "BD"
    recall(played, C, "mgr")
    assert asked(played) == "BC"
    await played.decide(C)
    await played.decide(D)
    assert kept(played, C, "mgr") == ["decided"]
    recall(played, D, "mgr")
    assert asked(played) == "BD"
    # The node was decided by it, and has not gone on.
    played = await begin("before", "all", C, seat="sequential")
    await played.decide(C, "rejected", hop=False)
    recall(played, C, "mgr")
    await played.hop()
    assert (played.status, asked(played)) == ("running", "C")

    # After: hers counts on condition of theirs.
    played = await begin("after", "any", C, D)
    await played.decide(A)
    assert asked(played) == "BCD"
    await played.decide(C)
    assert asked(played) == "B"
    recall(played, C, "mgr")
    assert asked(played) == "BCD"
    await played.decide(C, "rejected", hop=False)
    assert played.states("mgr")[0] == "rejected:after"
    recall(played, C, "mgr")
    assert (played.states("mgr")[0], asked(played)) == ("approved", "BCD")
    await played.decide(D)
    await played.decide(B)
    assert played.status == "approved"
    assert kept(played, D, "mgr") == ["ended"]


@pytest.mark.database
def test_a_decision_is_taken_back_over_rest(
    as_user: AsUser, published: Publish, engine: EngineControl, client: ApiClient
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))

    def recalled(who: ApiClient, task: dict[str, Any], **body: Any) -> Any:
        return who.post(f"{API}/tasks/{task['id']}/recall", json=body)

    process = published(
        approver("mgr", user=user_of(wang), allow=["recall"], timeout={"after": "PT8H", "action": "approve"}),
        approver("ceo", user=user_of(zhao)),
        withdraw="until_first_decision",
    )
    request = submit(li, process)
    task = todo(wang)
    assert recalled(wang, task).json()["type"].endswith("not-allowed-here")
    assert decide(wang, task, comment="Hasty").status_code == 200
    theirs = todo(zhao, "ceo")
    assert wang.get(f"{API}/tasks/{task['id']}").json()["allow"] == ["recall"]
    assert recalled(zhao, task).json()["type"].endswith("not-assignee")
    assert recalled(zhao, theirs).json()["type"].endswith("not-allowed-here")
    again = recalled(wang, task, reason="A look at the offer first")
    assert (again.status_code, again.json()["origin"], again.json()["state"]) == (200, "recall", "pending")
    late = decide(zhao, theirs)
    assert (late.status_code, late.json()["reason"]) == (409, "recalled")
    assert recalled(wang, task).status_code == 409
    history = li.get(f"{API}/instances/{request['id']}/history", params={"limit": 100}).json()["items"]
    (line,) = [entry for entry in history if entry["kind"] == "task.recalled"]
    assert line["data"] == {"outcome": "approved", "again": again.json()["id"], "comment": "A look at the offer first"}
    assert wang.get(f"{API}/tasks/{task['id']}").json()["decision"]["comment"] == "Hasty"
    # Her time begins anew; what counts no more is no first decision.
    engine.advance(hours=7)
    assert todo(wang)["id"] == again.json()["id"]
    assert decide(wang, todo(wang)).status_code == 200
    assert decide(zhao, todo(zhao, "ceo")).status_code == 200
    ended(li, request, "approved")
    (kept_by,) = recalled(wang, again.json()).json()["since"]
    assert kept_by["what"] == "ended"
    second = submit(li, process)
    assert decide(wang, todo(wang)).status_code == 200
    todo(zhao, "ceo")
    assert recalled(wang, wang.get(f"{API}/tasks", params={"box": "done"}).json()["items"][0]).status_code == 200
    assert li.post(f"{API}/instances/{second['id']}/withdraw", json={}).status_code == 200
    # A return, until it is submitted again; and an opinion.
    sent = submit(li, published(approver("mgr", user=user_of(wang), allow=["return", "recall", "delegate"])))
    mine = todo(wang)
    assert decide(wang, mine, "return").status_code == 200
    ended(li, sent, "draft")
    assert wang.get(f"{API}/tasks/{mine['id']}").json()["allow"] == ["recall"]
    mine = recalled(wang, mine).json()
    assert li.post(f"{API}/instances/{sent['id']}/resubmit", json={}).status_code == 409
    assert decide(wang, mine, "return").status_code == 200
    ended(li, sent, "draft")
    assert li.post(f"{API}/instances/{sent['id']}/resubmit", json={}).status_code == 200
    assert [each["what"] for each in recalled(wang, mine).json()["since"]] == ["resubmitted"]
    asking = todo(wang)
    assert decide(wang, asking, "delegate", to=str(user_of(zhao))).status_code == 200
    opinion = todo(zhao, "mgr")
    assert decide(zhao, opinion, "reject", comment="No").status_code == 200
    opinion = recalled(zhao, opinion).json()
    assert decide(wang, asking).status_code == 409
    assert decide(zhao, opinion).status_code == 200
    assert decide(wang, asking).status_code == 200
    ended(li, sent, "approved")
    assert client.get(f"{API}/instances/{sent['id']}/history/verification").json()["intact"] is True
    # Whoever is next decides at the same moment: one of the two is too late, and knows why.
    for _ in range(6):
        raced = submit(li, process)
        mine = todo(wang)
        assert decide(wang, mine).status_code == 200
        theirs = todo(zhao, "ceo")
        with ThreadPoolExecutor(2) as pool:
            calls = (pool.submit(recalled, wang, mine), pool.submit(decide, zhao, theirs))
            taken_back, decided = (call.result() for call in calls)
        assert sorted([taken_back.status_code, decided.status_code]) == [200, 409]
        if taken_back.status_code == 200:
            assert decided.json()["reason"] == "recalled"
            assert decide(wang, todo(wang)).status_code == 200
            assert decide(zhao, todo(zhao, "ceo")).status_code == 200
        else:
            assert {each["what"] for each in taken_back.json()["since"]} <= {"decided", "ended"}
        ended(li, raced, "approved")
        assert client.get(f"{API}/instances/{raced['id']}/history/verification").json()["intact"] is True
