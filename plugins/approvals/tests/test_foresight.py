"""Looking ahead: where a request would go and whom it would ask, while nothing of it is kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from riveredge_approvals.foresight.rehearsing import REHEARSAL
from riveredge_approvals.permissions import PROCESS_WRITE, REQUEST_USE
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, cc, choice, flow, node, parallel, when
from .requests import API, FORM, Publish, decide, ended, submit, todo, user_of, wait

pytestmark = pytest.mark.database


def process_of(client: ApiClient, key: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    return next(each for each in items if each["key"] == key)


def ahead(who: ApiClient, process: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = who.post(f"{API}/processes/{process['id']}/preview", json=body)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


def steps(seen: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["node"]: step for step in seen["steps"]}


def test_a_preview_says_path_people_and_what_is_missing(
    client: ApiClient, as_user: AsUser, published: Publish, other_tenant: TestTenant
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    connection = {"key": "erp", "title": "ERP", "base_url": "https://erp.example.com"}
    assert client.post(f"{API}/connections", json=connection).status_code == 201
    key = published(
        approver("mgr", user=user_of(wang), self_approval="forbid", fields={"amount": "edit"}),
        choice(
            "size",
            (when("form.amount", "gt", 5000), [approver("ceo", assignees=[{"type": "form_user", "field": "note"}])]),
            (None, [approver("any", users=[user_of(zhao), user_of(li)], mode="all", self_approval="skip")]),
        ),
        parallel(
            "both",
            [approver("fin", user=user_of(zhao)), node("call", "webhook", connection="erp", path="/x")],
            [node("pause", "delay", **{"for": "PT48H"})],
        ),
        approver(
            "last",
            assignees=[{"type": "previous_choice", "node": "mgr", "min": 1, "max": 2}],
            on_empty={"action": "block"},
        ),
        cc("tell", user=user_of(wang)),
    )
    process = process_of(client, key)

    # The small arm, and why; both arms of the fork; what is done outside is named, and never done.
    seen = ahead(li, process, form={"amount": 100})
    way = steps(seen)
    assert list(way) == [
        "start",
        "mgr",
        "size",
        "any",
        "both",
        "fin",
        "pause",
        "call",
        "both_join",
        "last",
        "tell",
        "end",
    ]
    assert (seen["result"], seen["questions"], seen["unresolved"]) == ("approved", [], [])
    assert way["mgr"]["people"][0]["name"]
    assert way["mgr"]["people"][0]["id"] == str(user_of(wang))
    assert way["mgr"]["people"][0]["why"][0]["en"].endswith("named by the process.")
    assert [person["id"] for person in way["any"]["people"]] == [str(user_of(zhao))]
    assert "is left out" in way["any"]["notes"][0]["en"]
    assert "自动跳过" in way["any"]["notes"][0]["zh-CN"]
    ceo, default = way["size"]["branches"]
    assert (ceo["taken"], ceo["holds"], ceo["values"]) == (False, False, {"form.amount": 100})
    assert ceo["why"]["en"] == "Not taken, because it did not hold: amount (100) is more than 5000."
    assert default["taken"]
    assert "没有" not in default["why"]["zh-CN"]
    assert way["call"]["does"] == "webhook"
    assert way["fin"]["region"] == [["both", 0]]
    # A delay is known without a history: two days in one arm are two days for the whole.
    assert (way["pause"]["expected_hours"], seen["expected_hours"]) == (48, 48)
    assert (way["last"]["choice"], way["last"]["people"]) == ({"by": "mgr", "min": 1, "max": 2}, [])
    assert way["tell"]["people"][0]["id"] == str(user_of(wang))

    # What a condition has to know is asked, and no error.
    unknown = ahead(li, process, form={})
    assert (unknown["result"], unknown["steps"][-1]["node"]) == ("unknown", "size")
    assert unknown["questions"][0]["needs"] == "form.amount"
    url = f"{API}/processes/{process['id']}/preview"
    chinese = li.post(url, json={}, headers={"Accept-Language": "zh-CN"}).json()
    assert [each["message"] for each in chinese["questions"]] == ["字段 form.amount 没有值。"]
    # Nobody is found, and no administrator either: said before anybody submits it, and the rest of the way as well.
    large = ahead(li, process, form={"amount": 9000}, choices={"last": [str(user_of(zhao))]})
    assert large["unresolved"] == ["ceo"]
    assert (steps(large)["ceo"]["status"], large["result"]) == ("stuck", "approved")
    assert "Nobody was found" in steps(large)["ceo"]["notes"][-1]["en"]
    assert steps(large)["last"]["people"][0]["why"][0]["en"].split(": ")[1].startswith("chosen by ")
    # Assumed otherwise.
    refused = ahead(li, process, form={"amount": 1}, outcomes={"mgr": "rejected"})
    assert (refused["result"], list(steps(refused))) == ("rejected", ["start", "mgr"])
    bad = li.post(f"{API}/processes/{process['id']}/preview", json={"outcomes": {"pause": "rejected", "x": "approved"}})
    assert sorted(each["field"] for each in bad.json()["errors"]) == ["outcomes.pause", "outcomes.x"]

    # Nothing was kept, and nobody was asked.
    assert li.get(f"{API}/instances").json()["items"] == []
    assert wang.get(f"{API}/tasks", params={"box": "all"}).json()["items"] == []

    # Whose request, and which drawing, is not for everybody to ask; other organisations see nothing.
    assert li.post(url, json={"submitter": str(user_of(wang))}).status_code == 403
    assert li.post(url, json={"draft": True}).status_code == 403
    assert as_user({REQUEST_USE}, tenant=other_tenant).post(url, json={}).status_code == 404
    assert client.post(url, json={"submitter": str(uuid4())}).json()["errors"][0]["field"] == "submitter"
    theirs = ahead(client, process, form={"amount": 1}, submitter=str(user_of(wang)))
    assert theirs["submitter"]["id"] == str(user_of(wang))
    # The submitter never decides here, and nobody else is found.
    assert theirs["unresolved"] == ["mgr"]


def test_a_preview_reads_the_record_that_the_request_is_about(client: ApiClient, published: Publish) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Plan", "text": "long", "tags": []}).json()
    ways = choice("c", (when("form.text", "eq", "long"), [approver("boss", user=user_of(client))]), (None, []))
    text = {"type": "object", "properties": {"text": {"type": "string"}}}
    process = process_of(client, published(ways, form=text))
    subject = {"type": "example.note", "id": note["id"]}
    # What the record says counts, as it will when it is submitted; and nothing is told to it.
    seen = ahead(client, process, subject=subject, form={"text": "short"})
    assert (seen["result"], list(steps(seen))) == ("approved", ["start", "c", "boss", "end"])
    assert steps(seen)["c"]["branches"][0]["values"] == {"form.text": "long"}
    assert client.get(f"/api/v1/example/notes/{note['id']}").json()["title"] == "Plan"
    url = f"{API}/processes/{process['id']}/preview"
    for wrong, status in (
        ({"type": "example.note", "id": str(uuid4())}, 404),
        ({"type": "example.nothing", "id": "1"}, 422),
    ):
        assert client.post(url, json={"subject": wrong}).status_code == status
    approved = client.post("/api/v1/example/notes", json={"title": "✓ Plan", "text": "x", "tags": []}).json()
    assert client.post(url, json={"subject": {**subject, "id": approved["id"]}}).status_code == 409


def test_a_preview_of_a_draft_knows_how_long_things_took(
    client: ApiClient, as_user: AsUser, published: Publish
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    key = published(approver("mgr", user=user_of(wang)))
    request = submit(li, key)
    assert decide(wang, todo(wang)).status_code == 200
    ended(li, request, "approved")
    process = process_of(client, key)
    assert steps(ahead(li, process))["mgr"]["expected_hours"] is not None
    drawn = flow(approver("mgr", user=user_of(wang)), approver("new", users=[user_of(wang)], repeat_approver="any"))
    kept = client.put(
        f"{API}/processes/{process['id']}/draft",
        json={"revision": process["draft_rev"], "diagram": drawn, "form_schema": FORM},
    )
    assert kept.status_code == 200, kept.text
    seen = ahead(client, process, draft=True)
    assert (seen["version"], seen["draft"], seen["result"]) == (2, True, "approved")
    again = steps(seen)["new"]
    # Who has approved by then is not asked again.
    assert (again["people"][0]["asked"], again["expected_hours"]) == (False, None)
    assert "not asked again" in again["people"][0]["why"][-1]["en"]


def test_a_draft_is_rehearsed_with_requests_of_the_past(
    client: ApiClient,
    as_user: AsUser,
    published: Publish,
    *,
    platform: PlatformUnderTest,
    tenant: TestTenant,
    other_tenant: TestTenant,
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    key = published(approver("mgr", user=user_of(wang)), approver("old", user=user_of(zhao)))
    made = [submit(li, key, form={"amount": amount}) for amount in (100, 9000)]
    submit(li, key, form={"note": "no amount"})
    process = process_of(client, key)
    url = f"{API}/processes/{process['id']}"
    drawn = flow(
        approver("mgr", users=[user_of(wang), user_of(zhao)]),
        choice(
            "size",
            (when("form.amount", "gt", 5000), [approver("ceo", assignees=[{"type": "form_user", "field": "note"}])]),
            (None, []),
        ),
        approver("old", user=user_of(zhao)),
    )
    kept = client.put(
        f"{url}/draft", json={"revision": process["draft_rev"], "diagram": drawn, "form_schema": FORM}
    ).json()
    assert kept["compiles"], kept
    now = datetime.now(UTC)
    span = {"from": (now - timedelta(days=30)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}

    # For who draws processes, here, and for a time that is one.
    assert li.post(f"{url}/rehearse", json=span).status_code == 403
    elsewhere = as_user({PROCESS_WRITE}, tenant=other_tenant)
    assert elsewhere.post(f"{url}/rehearse", json=span).status_code == 404
    long = {**span, "from": (now - timedelta(days=91)).isoformat()}
    for bad in (long, {"from": span["to"], "to": span["from"]}, {**span, "limit": 1001}, {**span, "from": "today"}):
        assert client.post(f"{url}/rehearse", json=bad).status_code == 422
    begun = client.post(f"{url}/rehearse", json=span)
    assert (begun.status_code, begun.json()["total"]) == (202, 3)
    at = begun.headers["Location"]

    def over() -> Any:
        seen = client.get(at).json()
        return seen if seen["status"] != "running" else None

    done = wait(over, "never rehearsed")
    assert (done["status"], done["done"], done["from"][:10]) == ("completed", 3, span["from"][:10])
    found = done["summary"]
    assert (found["walked"], found["failed"], found["differing"]) == (3, 0, 3)
    # None of them has ended yet, so that nothing is known of time.
    assert (found["hours_before"], found["hours_after"]) == (None, None)
    assert found["people_changed"] == {"mgr": 3}
    # One comes to the new node, for which nobody is found; one stops, because its form says no amount.
    assert (found["nodes_added"], found["newly_empty"]) == ({"ceo": 1}, {"ceo": 1})
    assert (found["nodes_removed"], found["needs"]) == ({"old": 1}, {"form.amount": 1})
    lines = {line["number"]: line for line in client.get(f"{at}/requests").json()["items"]}
    large = lines[made[1]["number"]]["outcome"]
    assert (large["before"]["path"], large["after"]["path"]) == (["mgr", "old"], ["mgr", "ceo", "old"])
    assert large["differences"]["people"] == {"mgr": {"added": [str(user_of(zhao))], "removed": []}}
    assert lines[made[0]["number"]]["outcome"]["differences"].keys() == {"people"}
    mine = {"match": "all", "conditions": [{"field": "subject_id", "op": "eq", "value": begun.json()["id"]}]}
    runs = client.get("/api/v1/runs", params={"filter": json.dumps(mine)}).json()["items"]
    assert [run["function"] for run in runs] == ["approvals.rehearse"]

    # One that is cancelled before its first portion walks nothing.
    async def begin_and_cancel() -> str:
        with use_context(platform.context(tenant, client.user)):
            async with unit_of_work():
                row = await REHEARSAL.ask(await Processes().get(UUID(process["id"])), now - timedelta(1), now, 10)
                await REHEARSAL.cancel(row.id)
                return str(row.id)

    stopped = platform.run(begin_and_cancel())
    platform.settle()
    seen = client.get(f"{API}/rehearsals/{stopped}").json()
    assert (seen["status"], seen["done"], seen["summary"]["walked"]) == ("cancelled", 0, 0)

    # It is over; others see nothing of it.
    assert client.post(f"{at}/cancel").status_code == 409
    assert elsewhere.get(at).status_code == 404
    assert li.get(at).status_code == 403
    # Nothing of the requests has changed, and nobody was asked by it.
    assert [item["node"] for item in zhao.get(f"{API}/tasks", params={"box": "all"}).json()["items"]] == []
