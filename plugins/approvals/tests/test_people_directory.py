"""The rules that name people, against the real directory: one organisation, and who would be asked in it."""

import json
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, node
from .requests import API, Publish

pytestmark = pytest.mark.database
DIRECTORY = "/api/v1/directory"


def made(client: ApiClient, path: str, **body: Any) -> str:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def department(client: ApiClient, key: str, parent: str | None, head: str, *members: str) -> str:
    found = made(client, f"{DIRECTORY}/departments", key=key, name=key.title(), parent_id=parent)
    made(client, f"{DIRECTORY}/department-heads", department_id=found, user_id=head)
    for member in members:
        made(client, f"{DIRECTORY}/memberships", user_id=member, department_id=found)
    return found


def change_member(client: ApiClient, user: str, **body: Any) -> None:
    wanted = {"match": "all", "conditions": [{"field": "user_id", "op": "eq", "value": user}]}
    found = client.get("/api/v1/members", params={"filter": json.dumps(wanted)}).json()["items"]
    place = f"/api/v1/members/{found[0]['id']}"
    answer = client.patch(place, json=body, headers={"If-Match": client.get(place).headers["ETag"]})
    assert answer.status_code == 200, answer.text


def rule(type_: str, **config: Any) -> dict[str, Any]:
    return {"assignees": [{"type": type_, **config}]}


def test_rules_find_people_in_the_real_directory(client: ApiClient, as_user: AsUser, published: Publish) -> None:
    names = "li wang zhao chief lead boss opsy away stand deputy round1 round2 gone head loop"
    users = {name: str(found.user.id) for name in names.split() if (found := as_user(())).user is not None}
    who = {user: name for name, user in users.items()}
    top = department(client, "hq", None, users["boss"], users["boss"])
    sales = department(client, "sales", top, users["lead"], users["zhao"])
    field = department(client, "field", sales, users["chief"], users["li"], users["wang"])
    ops = department(client, "ops", top, users["opsy"])
    made(client, f"{DIRECTORY}/memberships", user_id=users["li"], department_id=ops, main=False)
    # What rules of the directory cannot see: a head who reports to one of the own people.
    department(client, "ring", None, users["head"], users["loop"])
    made(client, f"{DIRECTORY}/reporting-lines", user_id=users["head"], manager_id=users["loop"])
    inner, outer = (made(client, f"{DIRECTORY}/groups", key=key, name=key) for key in ("inner", "outer"))
    made(client, f"{DIRECTORY}/groups/{inner}/members", user_id=users["wang"])
    made(client, f"{DIRECTORY}/groups/{outer}/members", user_id=users["boss"])
    made(client, f"{DIRECTORY}/groups/{outer}/members", member_group_id=inner)
    for absent, substitute in (("away", "stand"), ("stand", "deputy"), ("round1", "round2"), ("round2", "round1")):
        made(client, f"{DIRECTORY}/absences", user_id=users[absent], substitutes=[users[substitute]])
    made(client, "/api/v1/roles", key="custom.director", title="Director")
    made(client, "/api/v1/roles", key="custom.auditor", title="Auditor")
    change_member(client, users["lead"], roles=["custom.director"])
    for auditor in ("wang", "boss"):
        change_member(client, users[auditor], roles=["custom.auditor"])
    closed = made(client, f"{DIRECTORY}/departments", key="closed", name="Closed")

    # Node: what the drawing says, and who is asked for li's request from her main department.
    table: dict[str, tuple[dict[str, Any], str]] = {
        "manager": (rule("manager"), "chief"),
        "second": (rule("manager", level=2), "lead"),
        "above": (rule("manager", level=9), ""),
        "theirs": (rule("manager", of="form:note"), "lead"),
        "top": (rule("manager_chain"), "chief lead boss"),
        "level": (rule("manager_chain", until={"level": 2}), "chief lead"),
        "role": (rule("manager_chain", until={"role": "custom.director"}), "chief lead"),
        "most": (rule("manager_chain", max=1), "chief"),
        "first_head": (rule("department_head"), "chief"),
        "next_head": (rule("department_head", level=2), "lead"),
        "no_head": (rule("department_head", level=9), ""),
        "own": (rule("department", value="sales"), "zhao"),
        "below": (rule("department", value="sales", include_children=True), "li wang zhao"),
        "nowhere": (rule("department", value="closed"), ""),
        "nested": (rule("group", value="outer"), "boss wang"),
        "auditors": (rule("role", value="custom.auditor"), "boss wang"),
        "here": (rule("role", value="custom.auditor", scope="department_of_initiator"), "wang"),
        "form": (rule("form_user", field="note"), "zhao"),
        "assignee": (rule("manager", of="assignee"), ""),
        "chain": (rule("user", value=users["away"]), "deputy"),
        "circle": (rule("user", value=users["round1"]), "round2"),
        "left": (rule("user", value=users["gone"]), ""),
        "instead": ({**rule("initiator"), "self_approval": "manager"}, "chief"),
        "headed": ({**rule("initiator"), "self_approval": "department_head"}, "chief"),
        "form_head": (rule("form_department_head", field="note"), ""),
    }
    key = published(
        *(
            approver(name, **{"mode": "all", "self_approval": "self", "on_empty": {"action": "block"}, **drawn})
            for name, (drawn, _) in table.items()
        ),
        node("told", "cc", recipients=[{"type": "same_as", "node": "manager"}]),
    )
    process = next(
        each["id"]
        for each in client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
        if each["key"] == key
    )

    # What was there when it was published.
    change_member(client, users["gone"], active=False)
    assert client.delete(f"{DIRECTORY}/departments/{closed}", headers={"If-Match": '"1"'}).status_code == 204

    def asked(submitter: str, **body: Any) -> dict[str, dict[str, Any]]:
        answer = client.post(f"{API}/processes/{process}/preview", json={"submitter": users[submitter], **body})
        assert answer.status_code == 200, answer.text
        return {step["node"]: step for step in answer.json()["steps"]}

    def people(step: dict[str, Any], *, ordered: bool) -> str:
        found = [who[person["id"]] for person in step["people"]]
        return " ".join(found if ordered else sorted(found))

    seen = asked("li", form={"note": users["zhao"]})
    chains = {"top", "level", "role"}
    assert {name: people(seen[name], ordered=name in chains) for name in table} == {
        name: expected for name, (_, expected) in table.items()
    }
    assert {name for name in table if seen[name]["unresolved"]} == {
        n for n, (_, expected) in table.items() if not expected
    }
    assert people(seen["told"], ordered=True) == "chief"
    # Each of those is explained.
    assert "of: assignee" in seen["assignee"]["warnings"][0]["en"]
    said = {"en": "the rule 'department' failed: there is no department 'closed'"}
    assert seen["nowhere"]["warnings"] == [{**said, "zh-CN": "规则 department 未能执行：没有部门 closed"}]
    assert "未能执行" in seen["nowhere"]["notes"][0]["zh-CN"]
    assert any("circle" in warning["en"] and "循环" in warning["zh-CN"] for warning in seen["circle"]["warnings"])
    assert [line["code"] for line in seen["chain"]["people"][0]["trace"]] == ["found", "proxy", "proxy"]
    assert seen["chain"]["people"][0]["for_user"]["id"] == users["away"]
    assert seen["circle"]["people"][0]["trace"][-1]["code"] == "circle"
    assert "is no active member" in seen["left"]["notes"][0]["en"]
    assert "上级主管" in seen["instead"]["people"][0]["why"][-1]["zh-CN"]

    # From another of her departments others are above her; a department of the form is led by its head.
    there = asked("li", form={"note": "ops"}, department=ops)
    expected = {
        "manager": "opsy",
        "first_head": "opsy",
        "next_head": "boss",
        "here": "",
        "form_head": "opsy",
        "form": "",
    }
    assert {name: people(there[name], ordered=False) for name in expected} == expected
    assert any("names no users" in warning["en"] for warning in there["form"]["warnings"])
    wrong = client.post(f"{API}/processes/{process}/preview", json={"submitter": users["wang"], "department": ops})
    assert wrong.json()["errors"][0]["field"] == "department"
    assert field != ops
    # An organisation that goes in a circle: as far as it goes, with a warning.
    ring = asked("loop", form={"note": users["zhao"]})
    assert people(ring["top"], ordered=True) == "head"
    assert any("circle" in warning["en"] for warning in ring["top"]["warnings"])
