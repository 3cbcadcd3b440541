"""Decisions are taken back until somebody acts on them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

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


def decided(played: Play, user: object, node: str) -> Task:
    """What somebody has decided on a node."""
    found = [task for task in played.case.tasks if str(task.assignee_id) == str(user) and task.node == node]
    return next(task for task in found if task.state in {"approved", "rejected"})


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
