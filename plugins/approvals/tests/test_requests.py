"""Requests over REST, from the drawing to the last decision."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select

from riveredge_approvals.models import HistoryEntry
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, choice, example, flow, parallel, when
from .requests import API, Publish, decide, ended, submit, todo, user_of, wait

pytestmark = pytest.mark.database


def test_a_request_goes_its_way(as_user: AsUser, published: Publish, other_tenant: TestTenant) -> None:
    li, wang, zhao, boss = (as_user({REQUEST_USE}) for _ in range(4))
    process = published(
        approver("mgr", user=user_of(wang), comment="on_reject", allow=["return"], fields={"amount": "edit"}),
        choice("size", (when("form.amount", "gt", 5000), [approver("ceo", user=user_of(boss))]), (None, [])),
        parallel("both", [approver("fin", user=user_of(zhao))], [approver("law", user=user_of(wang))]),
        title="{submitter} buys for {form.amount}",
        summary=["amount"],
    )
    bad = li.post(f"{API}/instances", json={"process": process, "form": {"amount": "much"}})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "form.amount")
    request = submit(li, process, form={"amount": 6000})
    assert request["number"].startswith("AP-")
    task = todo(wang, "mgr")
    assert task["title"].endswith("buys for 6000")
    # Others than the one who is asked neither see nor decide it; nor do those of other organisations.
    assert decide(boss, task).status_code == 403
    assert boss.get(f"{API}/instances/{request['id']}").status_code == 404
    stranger = as_user({REQUEST_USE}, tenant=other_tenant)
    assert stranger.get(f"{API}/tasks/{task['id']}").status_code == 404
    assert decide(stranger, task).status_code == 404
    assert decide(wang, task, "reject").json()["errors"][0]["field"] == "comment"
    # Nowhere but back; and said in the language of whoever asks.
    odd = wang.post(f"{API}/tasks/{task['id']}/return", json={"to": "ceo"}, headers={"Accept-Language": "zh-CN"})
    assert (odd.status_code, odd.json()["allowed"]) == (422, ["start"])
    assert odd.json()["detail"] == "不能退回到 ceo。可以退回到：start。"
    # Back to the start, changed, and on its way again.
    assert decide(wang, task, "return", comment="Too dear").status_code == 200
    ended(li, request, "draft")
    again = li.post(f"{API}/instances/{request['id']}/resubmit", json={"form": {"amount": 5500}})
    assert again.status_code == 200, again.text
    # Approvers change only what they may; what lists show is what the form holds now.
    task = todo(wang, "mgr")
    assert task["title"].endswith("buys for 5500")
    refused = decide(wang, task, form={"note": "x"})
    assert refused.json()["errors"][0] == {
        "field": "form.note",
        "message": "On this node the field cannot be changed.",
        "code": "read-only",
    }
    assert decide(wang, task, form={"amount": 5200}).status_code == 200
    late = decide(wang, task)
    assert (late.status_code, late.json()["type"].split(":")[-1]) == (409, "task-closed")
    assert late.json()["outcome"] == "approved"
    assert decide(boss, todo(boss, "ceo")).status_code == 200
    assert decide(zhao, todo(zhao, "fin")).status_code == 200
    assert decide(wang, todo(wang, "law")).status_code == 200
    done = ended(li, request, "approved")
    assert done["form"] == {"amount": 5200}
    assert (done["title"][-4:], done["summary"][0]["value"]) == ("5200", "5200")
    assert done["run_id"]
    picture = li.get(f"{API}/instances/{request['id']}/diagram").json()
    marks = {mark["node"]: mark["status"] for mark in picture["nodes"]}
    assert {marks[node] for node in ("start", "mgr", "size", "ceo", "both", "fin", "law")} == {"passed"}
    assert next(mark for mark in picture["nodes"] if mark["node"] == "mgr")["visit"] == 2
    history = li.get(f"{API}/instances/{request['id']}/history", params={"limit": 200}).json()["items"]
    # The history alone draws the same picture, and every one before it.
    then = li.get(f"{API}/instances/{request['id']}/diagram", params={"seq": len(history)}).json()
    assert {mark["node"]: mark["status"] for mark in then["nodes"]} == marks
    assert {edge["edge"]: edge["times"] for edge in then["edges"]} == {e["edge"]: e["times"] for e in picture["edges"]}
    opened = next(entry for entry in history if entry["kind"] == "task.opened" and entry["node"] == "ceo")
    then = li.get(f"{API}/instances/{request['id']}/diagram", params={"seq": opened["seq"]}).json()
    at_ceo = {mark["node"]: mark["status"] for mark in then["nodes"]}
    assert (then["status"], at_ceo["mgr"], at_ceo["ceo"], at_ceo["fin"]) == ("running", "passed", "active", "idle")
    late = li.get(f"{API}/instances/{request['id']}/diagram", params={"seq": len(history) + 1})
    assert (late.status_code, late.json()["errors"][0]["field"]) == (422, "seq")
    assert [entry["seq"] for entry in history] == list(range(1, len(history) + 1))
    assert li.get(f"{API}/instances/{request['id']}/history/verification").json()["intact"] is True


def test_a_changed_history_is_found(
    as_user: AsUser, published: Publish, platform: ThreadedPlatform, tenant: TestTenant
) -> None:
    li = as_user({REQUEST_USE})
    request = submit(li, published(approver("mgr", user=user_of(li), self_approval="self")))
    wait(lambda: li.get(f"{API}/tasks").json()["items"], "no task")

    async def forge() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work() as opened:
                wanted = select(HistoryEntry).where(col(HistoryEntry.seq) == 2)
                (await opened.exec(wanted)).one().data = {"forged": True}

    platform.run(forge())
    found = li.get(f"{API}/instances/{request['id']}/history/verification").json()
    assert (found["intact"], found["broken_at"]) == (False, 2)


def test_of_many_simultaneous_decisions_one_is_accepted(as_user: AsUser, published: Publish) -> None:
    people = [as_user({REQUEST_USE}) for _ in range(10)]
    request = submit(
        people[0], published(approver("any", users=[user_of(each) for each in people], self_approval="self"))
    )
    tasks = [todo(each) for each in people]
    # Ten people, each with ten clicks.
    with ThreadPoolExecutor(20) as pool:
        clicks = [(who, task) for who, task in zip(people, tasks, strict=True) for _ in range(10)]
        answers = list(pool.map(lambda click: decide(*click).status_code, clicks))
    assert sorted(set(answers)) == [200, 409]
    assert answers.count(200) == 1
    ended(people[0], request, "approved")


def test_administrators_suspend_jump_and_end(client: ApiClient, as_user: AsUser, published: Publish) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    process = published(approver("first", user=user_of(wang)), approver("second", user=user_of(wang)))
    request = submit(li, process)
    task = todo(wang, "first")
    url = f"{API}/instances/{request['id']}"
    assert li.post(f"{url}/terminate", json={}).status_code == 403
    assert client.post(f"{url}/suspend", json={"reason": "Look"}).status_code == 200
    assert decide(wang, task).status_code == 409
    assert client.post(f"{url}/resume", json={}).status_code == 200
    assert client.post(f"{url}/jump", json={"to": "nowhere"}).json()["errors"][0]["field"] == "to"
    assert client.post(f"{url}/jump", json={"to": "second"}).status_code == 200
    todo(wang, "second")
    assert client.post(f"{url}/retry", json={}).status_code == 409
    assert client.post(f"{url}/terminate", json={"reason": "Enough"}).status_code == 200
    assert li.get(url).json()["status"] == "terminated"
    counted = client.get(f"{API}/instances/statistics").json()["items"]
    assert [(line["status"], line["count"]) for line in counted] == [("terminated", 1)]
    assert client.post(f"{url}/terminate", json={}).status_code == 409


def test_processes_are_drawn_published_and_rolled_back(client: ApiClient, as_user: AsUser) -> None:
    made = client.post(f"{API}/processes", json={"key": "purchase", "title": "采购"}).json()
    url = f"{API}/processes/{made['id']}"
    assert client.post(f"{API}/processes", json={"key": "purchase", "title": "x"}).json()["errors"][0]["field"] == "key"
    empty = client.get(f"{url}/draft").json()
    assert (empty["compiles"], empty["revision"]) == (False, 1)
    refused = client.post(f"{url}/publish", json={"revision": 1})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "diagram")
    odd = client.put(f"{url}/draft", json={"revision": 1, "diagram": {"schema": "flow/2"}})
    assert odd.json()["errors"][0]["field"] == "diagram.schema"
    drawing = {**example(user_of(client)), "selected": True}
    form = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    kept = client.put(f"{url}/draft", json={"revision": 1, "diagram": drawing, "form_schema": form}).json()
    assert (kept["compiles"], kept["dropped"], kept["revision"]) == (True, ["selected"], 2)
    stale = client.put(f"{url}/draft", json={"revision": 1, "diagram": drawing, "form_schema": form})
    assert (stale.status_code, stale.json()["revision"]) == (412, 2)
    assert as_user({REQUEST_USE}).post(f"{url}/publish", json={"revision": 2}).status_code == 403
    first = client.post(f"{url}/publish", json={"revision": 2, "note": "First"}).json()
    # A node that was only moved is no new version.
    moved = {**drawing, "nodes": [{**node, "position": {"x": 9, "y": 9}} for node in drawing["nodes"]]}
    client.put(f"{url}/draft", json={"revision": 2, "diagram": moved, "form_schema": form})
    unchanged = client.post(f"{url}/publish", json={"revision": 3})
    assert unchanged.status_code == 409, unchanged.text
    optional = {**form, "required": []}
    client.put(f"{url}/draft", json={"revision": 3, "diagram": moved, "form_schema": optional})
    assert client.post(f"{url}/publish", json={"revision": 4}).json()["number"] == 2
    back = client.post(f"{url}/roll-back", json={"version": 1}).json()
    assert (back["number"], back["checksum"]) == (3, first["checksum"])
    listed = client.get(f"{url}/versions").json()["items"]
    assert [item["number"] for item in listed] == [3, 2, 1]
    assert client.get(f"{url}/versions/1").json()["form_schema"]["required"] == ["amount"]
    # Neither manager nor administrator but the submitter herself: the request waits as an incident, and is not lost.
    missing = client.post(f"{API}/instances", json={"process": "purchase", "form": {}})
    assert missing.json()["errors"][0]["field"] == "form"
    request = submit(client, "purchase", form={"amount": 7000})
    assert client.post(f"{url}/archive").status_code == 200
    late = client.post(f"{API}/instances", json={"process": "purchase", "form": {"amount": 1}})
    assert late.json()["type"].endswith("version-archived")
    etag = client.get(url).headers["ETag"]
    assert client.delete(url, headers={"If-Match": etag}).status_code == 409
    assert client.get(f"{API}/instances/{request['id']}").json()["status"] == "running"


def test_tasks_are_handed_on(as_user: AsUser, published: Publish) -> None:
    li, wang, zhao, chen, sun = (as_user({REQUEST_USE}) for _ in range(5))
    allow = ["transfer", "delegate", "add_sign", "remove_sign"]
    process = published(approver("mgr", users=[user_of(wang), user_of(sun)], mode="all", allow=allow))
    request = submit(li, process)
    task = todo(wang)

    def act(who: ApiClient, of: dict[str, Any], verb: str, **body: Any) -> Any:
        return who.post(f"{API}/tasks/{of['id']}/{verb}", json=body)

    # Who is on it already, who submitted it and who is nobody here cannot be asked.
    assert act(wang, task, "transfer", to=str(user_of(sun))).json()["type"].endswith("already-on-roster")
    assert act(wang, task, "transfer", to=str(user_of(li))).json()["type"].endswith("self-approval-forbidden")
    assert act(wang, task, "transfer", to=str(uuid4())).json()["errors"][0]["field"] == "to"
    # Transferred: the new one counts in its place.
    assert act(wang, task, "transfer", to=str(user_of(zhao))).status_code == 200
    assert decide(wang, task).json()["outcome"] == "transferred"
    task = todo(zhao)
    # Delegated: an opinion, and back.
    assert act(zhao, task, "delegate", to=str(user_of(chen))).status_code == 200
    assert decide(zhao, task).status_code == 409
    assert decide(chen, todo(chen), "reject", comment="I would not").status_code == 200
    assert li.get(f"{API}/instances/{request['id']}").json()["status"] == "running"
    task = todo(zhao)
    # Before: others first, one of them taken off again; then it comes back.
    before = act(zhao, task, "add-sign", users=[str(user_of(wang)), str(user_of(chen))], where="before")
    assert before.status_code == 200, before.text
    assert decide(zhao, task).status_code == 409
    removed = before.json()["items"][1]["id"]
    assert act(zhao, task, "remove-sign", task_id=removed).json()["reason"] == "removed"
    assert decide(wang, todo(wang)).status_code == 200
    task = todo(zhao)
    # After: the approval counts, and the node passes only with theirs.
    assert act(zhao, task, "add-sign", users=[str(user_of(chen))], where="after").status_code == 200
    assert not chen.get(f"{API}/tasks").json()["items"]
    assert decide(zhao, task).status_code == 200
    later = todo(chen)
    done = sun.post(f"{API}/tasks/bulk", json={"action": "approve", "task_ids": [todo(sun)["id"], str(uuid4())]}).json()
    assert [(line["done"], line["status"]) for line in done["items"]] == [(True, 200), (False, 404)]
    assert li.get(f"{API}/instances/{request['id']}").json()["status"] == "running"
    assert decide(chen, later).status_code == 200
    ended(li, request, "approved")


def test_handing_on_has_its_limits_and_administrators_reassign(
    client: ApiClient, as_user: AsUser, published: Publish
) -> None:
    li, wang, zhao, chen, sun = (as_user({REQUEST_USE}) for _ in range(5))
    process = published(approver("mgr", user=user_of(wang), allow=["transfer", "add_sign"]), revoke_minutes=30)

    def act(who: ApiClient, of: dict[str, Any], verb: str, **body: Any) -> Any:
        return who.post(f"{API}/tasks/{of['id']}/{verb}", json=body)

    # Three deep, and whoever has had others asked keeps her task.
    request = submit(li, process)
    for who, other in ((wang, zhao), (zhao, chen), (chen, sun)):
        asked = act(who, todo(who), "add-sign", users=[str(user_of(other))], where="before")
        assert asked.status_code == 200, asked.text
    deep = act(sun, todo(sun), "add-sign", users=[str(user_of(client))], where="parallel")
    assert (deep.status_code, "3 deep" in deep.json()["detail"]) == (409, True)
    for who in (sun, chen, zhao):
        assert decide(who, todo(who)).status_code == 200
    kept = act(wang, todo(wang), "transfer", to=str(user_of(zhao)))
    assert (kept.status_code, "added around" in kept.json()["detail"]) == (409, True)
    # The same key has the same answer, and decides once.
    once = {"Idempotency-Key": uuid4().hex}
    url = f"{API}/tasks/{todo(wang)['id']}/approve"
    first, second = (wang.post(url, json={}, headers=once) for _ in range(2))
    assert (first.status_code, second.status_code, first.json()) == (200, 200, second.json())
    assert wang.post(url, json={}).status_code == 409
    ended(li, request, "approved")
    # Ten hops; then somebody has to decide, or an administrator says who.
    request = submit(li, process)
    holder, other = wang, zhao
    for _ in range(10):
        assert act(holder, todo(holder), "transfer", to=str(user_of(other))).status_code == 200
        holder, other = other, holder
    task = todo(holder)
    assert act(holder, task, "transfer", to=str(user_of(other))).status_code == 409
    assert act(holder, task, "reassign", to=str(user_of(chen))).status_code == 403
    assert act(client, task, "reassign", to=str(user_of(li))).json()["type"].endswith("self-approval-forbidden")
    assert act(client, task, "reassign", to=str(uuid4())).json()["errors"][0]["field"] == "to"
    given = act(client, task, "reassign", to=str(user_of(chen)), comment="She is ill")
    assert (given.status_code, given.json()["assignee_id"]) == (200, str(user_of(chen)))
    assert act(client, task, "reassign", to=str(user_of(sun))).json()["type"].endswith("task-closed")
    assert decide(holder, task).json()["outcome"] == "transferred"
    why = chen.get(f"{API}/tasks/{given.json()['id']}/why").json()["why"]
    assert why[0]["en"].startswith("It was taken over from")
    assert decide(chen, todo(chen)).status_code == 200
    ended(li, request, "approved")


def test_who_has_approved_is_asked_again_where_what_she_saw_has_changed(as_user: AsUser, published: Publish) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    process = published(
        approver("one", user=user_of(wang), fields={"amount": "hidden"}, comment="never"),
        approver("edit", user=user_of(zhao), fields={"*": "edit"}, comment="always"),
        approver("two", user=user_of(wang), allow=["return"]),
        repeat_approver="any",
        resubmit="direct",
    )

    def through(**changes: Any) -> dict[str, Any]:
        request = submit(li, process, form={"amount": 1, "note": "as it was"})
        task = todo(wang, "one")
        assert decide(wang, task, comment="Fine").json()["type"].endswith("not-allowed-here")
        assert decide(wang, task).status_code == 200
        task = todo(zhao, "edit")
        assert decide(zhao, task, form=changes).json()["type"].endswith("reason-required")
        assert decide(zhao, task, form=changes, comment="Corrected").status_code == 200
        return request

    # What she has not seen then makes no difference; what she has, does.
    ended(li, through(amount=2), "approved")
    request = through(note="another")
    task = todo(wang, "two")
    trace = wang.get(f"{API}/tasks/{task['id']}/why").json()["trace"]
    assert trace[-1]["code"] == "repeat_changed"
    # She has sent it back: then she is asked again, whatever it looks like by then.
    assert decide(wang, task, "return").status_code == 200
    ended(li, request, "draft")
    at = f"{API}/instances/{request['id']}"
    assert li.post(f"{at}/resubmit", json={"form": {"note": "as it was"}}).status_code == 200
    assert decide(wang, todo(wang, "two")).status_code == 200
    ended(li, request, "approved")


def test_out_of_a_pool_one_takes_the_task(as_user: AsUser, published: Publish) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    request = submit(li, published(approver("pool", users=[user_of(wang), user_of(zhao)], claim=True)))
    mine, others = todo(wang), todo(zhao)
    assert wang.post(f"{API}/tasks/{mine['id']}/claim").status_code == 200
    late = zhao.post(f"{API}/tasks/{others['id']}/claim")
    assert (late.status_code, late.json()["reason"]) == (409, "claimed")
    assert decide(wang, mine).status_code == 200
    ended(li, request, "approved")


def test_what_designers_write_breaks_nothing(client: ApiClient, as_user: AsUser, published: Publish) -> None:
    li = as_user({REQUEST_USE})
    # Ids may begin with any of their characters: live pictures show them, too.
    own = approver("_mgr", user=user_of(li), self_approval="self")
    process = published(own, approver("-then", user=user_of(li), self_approval="self", repeat_approver="adjacent"))
    request = submit(li, process)
    assert decide(li, todo(li, "_mgr")).status_code == 200
    ended(li, request, "approved")
    # A number that would fill the memory, one that tells nothing apart, and one that reaches into objects.
    made = client.post(f"{API}/processes", json={"key": f"s{uuid4().hex}", "title": "Serials"}).json()
    url = f"{API}/processes/{made['id']}"
    for revision, serial in enumerate(("{number:0999999999}", "AP-{year}", "{number.__class__}", "{number:{year}}"), 1):
        drawn = flow(own, settings={"serial": serial})
        assert client.put(f"{url}/draft", json={"revision": revision, "diagram": drawn}).json()["compiles"] is False
        answer = client.post(f"{url}/publish", json={"revision": revision + 1})
        assert (answer.status_code, "serial" in answer.json()["detail"]) == (422, True), answer.text
    # A key that reads like another process's id is that of its own process.
    wanted = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    other = next(item["id"] for item in wanted if item["key"] == process)
    client.post(f"{API}/processes", json={"key": other, "title": "Double"})
    assert client.post(f"{API}/instances", json={"process": other}).status_code == 409


def test_series_that_meet_pass_over_one_another(as_user: AsUser, published: Publish) -> None:
    li = as_user({REQUEST_USE})
    step = approver("mgr", user=user_of(li), self_approval="self")
    mark = uuid4().hex[:8]
    first = published(step, serial=f"{mark}{{number}}")
    second = published(step, serial=f"{mark}{{number:01}}")
    assert submit(li, first)["number"] == f"{mark}1"
    assert submit(li, second)["number"] == f"{mark}2"


def test_the_submitter_and_those_who_decide_choose_among_some(as_user: AsUser, published: Publish) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    ids = [str(user_of(each)) for each in (li, wang, zhao)]
    among = [{"type": "user", "value": user} for user in ids[1:]]
    process = published(
        approver("mgr", assignees=[{"type": "initiator_choice", "from": among, "min": 1, "max": 2}], abstain=True),
        approver("next", assignees=[{"type": "previous_choice", "node": "mgr", "from": among, "min": 1, "max": 1}]),
        approver("free", assignees=[{"type": "previous_choice", "node": "mgr", "min": 1, "max": 2}], mode="all"),
    )
    for choices, field, code in (
        ({}, "choices.mgr", "missing"),
        ({"mgr": []}, "choices.mgr", "count"),
        ({"mgr": ids[:1]}, "choices.mgr.0", "unknown"),
        ({"mgr": [ids[1], ids[1]]}, "choices.mgr.1", "twice"),
        ({"mgr": ids}, "choices.mgr", "count"),
        ({"mgr": ids[1:2], "next": ids[1:2]}, "choices.next", "unknown"),
    ):
        answer = li.post(f"{API}/instances", json={"process": process, "choices": choices})
        first = answer.json()["errors"][0]
        assert (answer.status_code, first["field"], first["code"]) == (422, field, code)
    request = submit(li, process, choices={"mgr": ids[1:2]})
    task = todo(wang)
    # You choose who is next: the task says so, and an approval without it is refused.
    due = {each["node"]: each for each in wang.get(f"{API}/tasks/{task['id']}").json()["choices"]}
    assert [each["id"] for each in due["next"]["among"]] == ids[1:]
    assert (due["free"]["among"], due["free"]["max"], due["free"]["required"]) == (None, 2, True)
    missing = decide(wang, task).json()
    assert missing["type"].endswith("choice-required")
    assert [each["field"] for each in missing["errors"]] == ["choices.next", "choices.free"]
    for given, field, code in (
        ({"next": ids[:1]}, "choices.next.0", "unknown"),
        ({"next": ids[1:]}, "choices.next", "count"),
        ({"next": [str(uuid4())]}, "choices.next.0", "unknown"),
        ({"next": ids[2:], "mgr": ids[2:]}, "choices.mgr", "unknown"),
    ):
        errors = decide(wang, task, choices={"free": ids[:1], **given}).json()["errors"]
        assert (field, code) in [(each["field"], each["code"]) for each in errors]
    refused = decide(wang, task, "reject", choices={"next": ids[2:]})
    assert refused.json()["errors"][0]["field"] == "choices"
    bulk = wang.post(f"{API}/tasks/bulk", json={"action": "approve", "task_ids": [task["id"]]}).json()["items"][0]
    assert (bulk["done"], bulk["status"]) == (False, 422)
    assert decide(wang, task, choices={"next": ids[2:], "free": ids[1:]}).status_code == 200
    why = zhao.get(f"{API}/tasks/{(asked := todo(zhao, 'next'))['id']}/why").json()
    assert "chosen by" in why["why"][0]["en"]
    assert decide(zhao, asked).status_code == 200
    assert decide(zhao, todo(zhao, "free")).status_code == 200
    assert decide(wang, todo(wang, "free")).status_code == 200
    ended(li, request, "approved")


def test_who_was_chosen_can_be_chosen_anew_when_it_has_come_back(as_user: AsUser, published: Publish) -> None:
    li, wang, zhao, chen = (as_user({REQUEST_USE}) for _ in range(4))
    ids = {each: str(user_of(each)) for each in (wang, zhao, chen)}
    among = [{"type": "user", "value": user} for user in ids.values()]
    process = published(
        approver("mgr", assignees=[{"type": "initiator_choice", "from": among, "min": 1, "max": 1}]),
        approver("next", assignees=[{"type": "previous_choice", "node": "mgr", "min": 1, "max": 1}], allow=["return"]),
        approver("last", assignees=[{"type": "initiator_choice", "min": 1, "max": 1}], allow=["return"]),
        resubmit="direct",
    )
    request = submit(li, process, choices={"mgr": [ids[wang]], "last": [ids[chen]]})
    at = f"{API}/instances/{request['id']}"
    assert decide(wang, todo(wang), choices={"next": [ids[chen]]}).status_code == 200
    assert li.get(at).json()["choices"] == []
    assert decide(chen, todo(chen, "next"), "return").status_code == 200
    ended(li, request, "draft")
    due = {each["node"]: each for each in li.get(at).json()["choices"]}
    assert (due["mgr"]["required"], [each["id"] for each in due["mgr"]["chosen"]]) == (False, [ids[wang]])
    assert wang.get(at).json()["choices"] == []
    # Whom those who decide choose is theirs; and only those whom the drawing names can be chosen.
    for choices, field in (({"next": [ids[zhao]]}, "choices.next"), ({"mgr": [str(user_of(li))]}, "choices.mgr.0")):
        refused = li.post(f"{at}/resubmit", json={"choices": choices})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    # Whoever has decided already is another one now: she is asked, and chooses anew who is next.
    assert li.post(f"{at}/resubmit", json={"choices": {"mgr": [ids[zhao]]}}).status_code == 200
    task = todo(zhao, "mgr")
    (offered,) = zhao.get(f"{API}/tasks/{task['id']}").json()["choices"]
    assert ([each["id"] for each in offered["chosen"]], offered["required"]) == ([ids[chen]], False)
    assert decide(zhao, task, choices={"next": [ids[wang]]}).status_code == 200
    assert decide(wang, todo(wang, "next"), "return").status_code == 200
    ended(li, request, "draft")
    # Where nobody has decided yet whom she chooses instead, it goes straight back.
    assert li.post(f"{at}/resubmit", json={"choices": {"last": [ids[zhao]]}}).status_code == 200
    assert decide(wang, todo(wang, "next")).status_code == 200
    assert decide(zhao, todo(zhao, "last")).status_code == 200
    ended(li, request, "approved")
    history = li.get(f"{at}/history", params={"limit": 100}).json()["items"]
    again = [line["data"].get("choices") for line in history if line["kind"] == "instance.resubmitted"]
    assert again == [{"mgr": [ids[zhao]]}, {"last": [ids[zhao]]}]
