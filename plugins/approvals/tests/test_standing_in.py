"""Who stands in for whom, over REST, and what happens to tasks when their people leave."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, decide, ended, publish, submit, todo, user_of, wait

pytestmark = pytest.mark.database
USE = {"approvals.request.use"}
AT = f"{API}/delegations"


def refused(answer: Any, status: int, field: str, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [(field, code)]
    return answer.json()


def test_people_arrange_who_stands_in_for_them(client: ApiClient, as_user: AsUser, other_tenant: TestTenant) -> None:
    li, wang, zhao, eve = (as_user(USE) for _ in range(4))
    me, other = str(user_of(li)), str(user_of(wang))
    key = publish(client, approver("mgr", user=me))
    process = next(
        p["id"] for p in client.get(f"{API}/processes", params={"limit": 200}).json()["items"] if p["key"] == key
    )
    now = datetime.now(UTC)
    day = [(now + timedelta(days=number)).isoformat() for number in range(30)]

    made = li.post(AT, json={"substitute_id": other, "ends_at": day[10], "reason": "Holiday"})
    assert made.status_code == 201, made.text
    assert (made.json()["user_id"], made.json()["process_id"]) == (me, None)
    refused(li.post(AT, json={"substitute_id": me}), 422, "substitute_id", "self")
    refused(li.post(AT, json={"substitute_id": str(uuid4())}), 422, "substitute_id", "unknown")
    stranger = str(user_of(as_user(USE, tenant=other_tenant)))
    refused(li.post(AT, json={"substitute_id": stranger}), 422, "substitute_id", "unknown")
    wrong = {"substitute_id": other, "starts_at": day[12], "ends_at": day[11]}
    refused(li.post(AT, json=wrong), 422, "ends_at", "order")
    wrong = {"substitute_id": other, "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-01-02T00:00:00Z"}
    refused(li.post(AT, json=wrong), 422, "ends_at", "past")
    refused(
        li.post(AT, json={"substitute_id": other, "process_id": str(uuid4()), "starts_at": day[20]}),
        422,
        "process_id",
        "unknown",
    )
    problem = refused(li.post(AT, json={"substitute_id": other, "starts_at": day[9]}), 409, "starts_at", "overlap")
    assert problem["other"] == made.json()["id"]
    # One of a process beside one of all, and one that begins when the other ends.
    own = li.post(AT, json={"substitute_id": str(user_of(zhao)), "process_id": process})
    later = li.post(AT, json={"substitute_id": other, "starts_at": day[10]})
    assert (own.status_code, later.status_code) == (201, 201), later.text

    # Only the person and who may do so for others.
    assert wang.post(AT, json={"user_id": me, "substitute_id": other}).status_code == 403
    place = f"{AT}/{later.json()['id']}"
    assert (wang.get(place).status_code, eve.get(place).status_code) == (200, 404)
    assert as_user(USE, tenant=other_tenant).get(place).status_code == 404
    version = {"If-Match": '"1"'}
    assert wang.patch(place, json={"reason": "x"}, headers=version).status_code == 403
    assert eve.delete(place, headers=version).status_code == 404
    refused(li.patch(place, json={"starts_at": day[9]}, headers=version), 409, "starts_at", "overlap")
    refused(li.patch(place, json={"substitute_id": me}, headers=version), 422, "substitute_id", "self")
    changed = li.patch(place, json={"ends_at": "2999-01-01T08:00:00+08:00", "reason": "Longer"}, headers=version)
    assert changed.json()["ends_at"] == "2999-01-01T00:00:00Z"
    assert (changed.status_code, changed.json()["version"], changed.json()["reason"]) == (200, 2, "Longer")
    assert li.delete(place, headers=version).status_code == 412
    assert client.patch(place, json={"ends_at": None}, headers={"If-Match": '"2"'}).json()["ends_at"] is None
    assert client.post(AT, json={"user_id": str(user_of(eve)), "substitute_id": me}).status_code == 201

    def listed(who: ApiClient, **query: Any) -> int:
        answer = who.get(AT, params=query)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert (listed(li), listed(li, current=True), listed(li, current=False), listed(li, limit=1)) == (3, 2, 1, 1)
    assert (listed(li, box="received"), listed(wang, box="received"), listed(eve)) == (1, 2, 1)
    assert (listed(client, box="all"), li.get(AT, params={"box": "all"}).status_code) == (4, 403)

    # Of several at once one is kept.
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: zhao.post(AT, json={"substitute_id": me}).status_code, range(4))
        assert sorted(answers) == [201, 409, 409, 409]
    assert listed(zhao) == 1
    assert zhao.delete(f"{AT}/{zhao.get(AT).json()['items'][0]['id']}", headers=version).status_code == 204

    # What is said of the process counts before what is said of all; once it is deleted, that does.
    first = submit(client, key, form={"amount": 1})
    assert decide(zhao, todo(zhao)).status_code == 200
    ended(client, first, "approved")
    assert li.delete(f"{AT}/{own.json()['id']}", headers=version).status_code == 204
    second = submit(client, key, form={"amount": 1})
    assert todo(wang)["instance_id"] == second["id"]


def test_requests_go_on_without_who_has_left(client: ApiClient, as_user: AsUser) -> None:
    li, wang = as_user(USE), as_user(USE)
    both = publish(client, approver("both", users=[user_of(li), user_of(wang)], mode="all"))
    alone = publish(client, approver("alone", user=user_of(wang), on_empty={"action": "approve"}))
    waits = publish(client, approver("waits", user=user_of(wang), on_empty={"action": "block"}))
    first, second, third = (submit(client, key, form={"amount": 1}) for key in (both, alone, waits))
    assert decide(li, todo(li)).status_code == 200
    wait(lambda: len(wang.get(f"{API}/tasks").json()["items"]) == 3, "not all asked")

    found = client.get("/api/v1/members", params={"limit": 200}).json()["items"]
    place = next(f"/api/v1/members/{each['id']}" for each in found if each["user_id"] == str(user_of(wang)))
    gone = client.patch(place, json={"active": False}, headers={"If-Match": client.get(place).headers["ETag"]})
    assert gone.status_code == 200, gone.text

    ended(client, first, "approved")
    ended(client, second, "approved")
    at = f"{API}/instances/{third['id']}"
    lines = wait(
        lambda: [line for line in client.get(f"{at}/history").json()["items"] if line["kind"] == "visit.incident"],
        "no incident",
    )
    assert "Nobody was found" in lines[0]["data"]["message"]
    closed = [line for line in client.get(f"{at}/history").json()["items"] if line["kind"] == "task.closed"]
    assert [line["data"]["reason"] for line in closed] == ["left"]


def test_an_administrator_hands_tasks_over(client: ApiClient, as_user: AsUser, other_tenant: TestTenant) -> None:
    li, wang, zhao = (as_user(USE) for _ in range(3))
    users = [str(user_of(each)) for each in (li, wang, zhao)]
    one = publish(client, approver("one", user=users[0], allow=["add_sign"]))
    both = publish(client, approver("both", users=users[:2], mode="all"))
    own = submit(wang, one, form={"amount": 1})
    first, second = submit(client, one, form={"amount": 1}), submit(client, both, form={"amount": 1})
    wait(lambda: len(li.get(f"{API}/tasks").json()["items"]) == 3, "not all asked")
    # Somebody was added before her, and still is after the handover.
    mine = {task["instance_id"]: task for task in li.get(f"{API}/tasks").json()["items"]}
    added = decide(li, mine[first["id"]], "add-sign", users=[users[2]], where="before")
    assert added.status_code == 200, added.text

    at = f"{API}/handovers"
    for who in (li, as_user(USE, tenant=other_tenant)):
        assert (who.post(at, json={"user_id": users[0]}).status_code, who.get(at).status_code) == (403, 403)
    refused(client.post(at, json={"user_id": users[0], "to_id": users[0]}), 422, "to_id", "self")
    stranger = str(user_of(as_user(USE, tenant=other_tenant)))
    refused(client.post(f"{at}/preview", json={"user_id": users[0], "to_id": stranger}), 422, "to_id", "unknown")
    refused(client.post(at, json={"user_id": users[0], "process_id": str(uuid4())}), 422, "process_id", "unknown")

    body = {"user_id": users[0], "to_id": users[1], "reason": "Leaves in May"}
    told = client.post(f"{at}/preview", json=body).json()["items"]
    assert {line["instance_id"]: (line["state"], line["to_ids"]) for line in told} == {
        first["id"]: ("done", [users[1]]),
        second["id"]: ("refused", []),
        own["id"]: ("refused", []),
    }
    assert len(li.get(f"{API}/tasks", params={"box": "all"}).json()["items"]) == 3
    begun = client.post(at, json=body)
    assert (begun.status_code, begun.json()["waiting"]) == (202, 3), begun.text
    place = begun.headers["Location"]
    done = wait(lambda: (found := client.get(place).json())["finished_at"] and found, "never finished")
    assert (done["done"], done["refused"], done["waiting"]) == (1, 2, 0)
    items = client.get(f"{place}/items", params={"state": "refused"}).json()["items"]
    assert {(line["instance_id"], line["message"]) for line in items} == {
        (second["id"], "She is asked on this node already."),
        (own["id"], "It is her own request."),
    }
    page = client.get(f"{place}/items", params={"limit": 2}).json()
    rest = client.get(f"{place}/items", params={"limit": 2, "cursor": page["next"]}).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert [row["id"] for row in client.get(at).json()["items"]] == [begun.json()["id"]]
    # Whoever was added decides first; then it comes to whom it was handed.
    assert decide(zhao, todo(zhao)).status_code == 200
    task = wait(
        lambda: next((t for t in wang.get(f"{API}/tasks").json()["items"] if t["instance_id"] == first["id"]), None),
        "it does not come to her",
    )
    assert decide(wang, task).status_code == 200
    ended(client, first, "approved")

    # To the rule: the other one is there already, so nobody else would be asked.
    told = client.post(f"{at}/preview", json={"user_id": users[0]}).json()["items"]
    assert [line["state"] for line in told] == ["refused", "refused"]
    assert "Name somebody" in told[0]["message"]
