"""Versions compared, and processes by what they name, what they are drawn with, and who may start them."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from riveredge_approvals.drawing.validating import Catalog, Names
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.processes.surveying import survey
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, cc, flow, node, schema_of
from .requests import API, FORM, Publish, submit, user_of

pytestmark = pytest.mark.database


def test_versions_and_drafts_are_compared(client: ApiClient, as_user: AsUser) -> None:
    made = client.post(f"{API}/processes", json={"key": f"v{uuid4().hex[:10]}", "title": "Versions"}).json()
    url, me = f"{API}/processes/{made['id']}", user_of(client)

    def keep(revision: int, form: dict[str, Any], *steps: Any, title: str = "One") -> dict[str, Any]:
        drawn = flow(*steps, settings={"title": title})
        kept = client.put(f"{url}/draft", json={"revision": revision, "diagram": drawn, "form_schema": form})
        assert kept.status_code == 200, kept.text
        return drawn

    keep(1, FORM, approver("a", user=me), cc("b", user=me))
    assert client.post(f"{url}/publish", json={"revision": 2}).status_code == 201
    form = schema_of({**FORM["properties"], "note": {"type": "string", "maxLength": 9}, "why": {"type": "string"}})
    drawn = keep(2, form, approver("a", user=me, mode="all"), approver("c", user=me), title="Two")
    found = client.get(f"{url}/versions/1/diff").json()
    assert (found["before"], found["after"], found["same_behaviour"]) == (1, "draft", False)
    assert (found["nodes"]["added"], found["nodes"]["removed"], found["nodes"]["moved"]) == (["c"], ["b"], [])
    assert found["nodes"]["changed"] == {"a": [{"field": "data.mode", "before": None, "after": "all"}]}
    assert found["edges"]["changed"]["e2"] == [{"field": "target", "before": "b", "after": "c"}]
    assert found["settings"] == [{"field": "title", "before": "One", "after": "Two"}]
    assert [change["field"] for change in found["form"]] == ["properties.note", "properties.why", "required"]
    assert client.post(f"{url}/publish", json={"revision": 3}).status_code == 201
    assert client.get(f"{url}/versions/1/diff?to=2").json()["nodes"] == found["nodes"]
    # What is only moved is no change.
    for place, each in enumerate(drawn["nodes"]):
        each["position"] = {"x": place, "y": 7}
    client.put(f"{url}/draft", json={"revision": 3, "diagram": drawn, "form_schema": form})
    moved = client.get(f"{url}/versions/2/diff").json()
    assert (moved["nodes"]["changed"], moved["nodes"]["moved"]) == ({}, ["a", "c", "end", "start"])
    assert moved["same_behaviour"] is True
    client.put(f"{url}/draft", json={"revision": 4, "diagram": {}, "form_schema": form})
    assert client.get(f"{url}/versions/2/diff?to=draft").json()["same_behaviour"] is None
    for wrong in ("versions/9/diff", "versions/1/diff?to=9", "versions/1/diff?to=last"):
        assert client.get(f"{url}/{wrong}").status_code == 422
    assert as_user({REQUEST_USE}).get(f"{url}/versions/1/diff").status_code == 403


def test_what_is_used_where(client: ApiClient, as_user: AsUser, published: Publish, other_tenant: TestTenant) -> None:
    li = as_user({REQUEST_USE})
    me = str(user_of(li))
    hook = {"key": "erp", "title": "ERP", "base_url": "https://erp.example.com"}
    assert client.post(f"{API}/connections", json=hook).status_code == 201
    child = published(approver("check", user=me))
    parent = published(
        node("call", "webhook", connection="erp"),
        approver("boss", role="kernel.administrator"),
        node("sub", "subflow", process=child),
        approver("own", assignees=[{"type": "resolver", "id": "example.note_author", "config": {"field": "note"}}]),
        admins=[{"type": "user", "value": me}],
    )

    def usages(**asked: str) -> dict[str, list[str]]:
        answer = client.get(f"{API}/usages", params=asked)
        assert answer.status_code == 200, answer.text
        return {each["key"]: each["nodes"] for each in answer.json()}

    assert usages(user=me) == {child: ["check"], parent: []}
    assert usages(role="kernel.administrator") == {parent: ["boss"]}
    assert usages(connection="erp") == {parent: ["call"]}
    assert usages(process=child) == {parent: ["sub"]}
    assert usages(resolver="example.note_author") == {parent: ["own"]}
    assert usages(group="none") == {}
    # A version that is in use no more counts while requests are under way on it.
    request = submit(li, child)
    listed = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    url = next(f"{API}/processes/{each['id']}" for each in listed if each["key"] == child)
    new = {"revision": 2, "diagram": flow(approver("check", role="kernel.administrator")), "form_schema": FORM}
    assert client.put(f"{url}/draft", json=new).status_code == 200
    assert client.post(f"{url}/publish", json={"revision": 3, "acknowledge": "all"}).status_code == 201
    (old,) = (each for each in client.get(f"{API}/usages", params={"user": me}).json() if each["key"] == child)
    assert (old["version"], old["current"], old["under_way"]) == (1, False, 1)
    assert li.post(f"{API}/instances/{request['id']}/withdraw", json={}).status_code == 200
    assert usages(user=me) == {parent: []}
    assert client.get(f"{API}/usages").status_code == 422
    assert client.get(f"{API}/usages", params={"role": "a", "user": "b"}).status_code == 422
    stranger = as_user({"approvals.process.read"}, tenant=other_tenant)
    assert stranger.get(f"{API}/usages", params={"connection": "erp"}).json() == []


def test_what_one_may_start_and_draw_with(client: ApiClient, as_user: AsUser, published: Publish) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    chosen = {"type": "initiator_choice", "from": [{"type": "user", "value": str(user_of(wang))}]}
    own = published(approver("mgr", assignees=[chosen]), start={"who": [{"type": "user", "value": str(user_of(li))}]})
    every = published(approver("mgr", user=user_of(li)))
    mine = {each["key"]: each for each in li.get(f"{API}/processes/startable").json()}
    assert mine.keys() == {own, every}
    assert mine[own]["form_schema"]["properties"].keys() == FORM["properties"].keys()
    among = [{"type": "user", "value": str(user_of(wang))}]
    assert mine[own]["choices"] == [{"node": "mgr", "label": "mgr", "among": among, "min": 1, "max": 1}]
    assert {each["key"] for each in wang.get(f"{API}/processes/startable").json()} == {every}
    catalog = client.get(f"{API}/catalog", headers={"Accept-Language": "zh-CN"}).json()
    nodes = {each["type"]: each for each in catalog["nodes"]}
    assert (nodes["approver"]["title"], nodes["approver"]["handles"]) == ("审批", ["rejected"])
    assert {"assignees", "mode", "timeout"} <= nodes["approver"]["data"]["properties"].keys()
    note = nodes["example.note"]
    assert (note["plugin"], {"title", "on_error"} <= note["data"]["properties"].keys()) == ("example", True)
    resolvers = {each["type"]: each for each in catalog["resolvers"]}
    assert "until" in resolvers["manager_chain"]["config"]["properties"]
    assert "field" in resolvers["example.note_author"]["config"]["properties"]
    assert "gt" in catalog["operators"]["number"]
    assert {"code": "emptyBranch", "severity": "warning"} in catalog["codes"]
    assert wang.get(f"{API}/catalog").status_code == 403


def test_names_are_looked_up_together(
    client: ApiClient, as_user: AsUser, published: Publish, *, platform: PlatformUnderTest, tenant: TestTenant
) -> None:
    """Counted in statements, for a drawing with few names and for one with many of each kind."""
    there = published(approver("own", user=user_of(client)))
    mine = client.get("/api/v1/members", params={"limit": 200}).json()["items"]
    (held,) = next(each["roles"] for each in mine if each["user_id"] == str(user_of(client)))
    assert client.post("/api/v1/directory/departments", json={"key": "sales", "name": "Sales"}).status_code == 201
    assert client.post("/api/v1/directory/groups", json={"key": "board", "name": "Board"}).status_code == 201

    async def count(each: int) -> tuple[int, Catalog]:
        more = [str(uuid4()) for _ in range(each)]
        names = Names(
            users={str(user_of(client)), *more},
            roles={"kernel.administrator", held, *more},
            departments={"sales", *more},
            groups={"board", *more},
            connections={*more},
            templates={"approvals.assigned", *more},
            processes={there, *more},
        )
        statements: list[Any] = []
        with use_context(platform.context(tenant, client.user)):
            async with unit_of_work(read_only=True) as reading:
                event.listen(reading.sync_session, "do_orm_execute", statements.append)
                catalog = await survey("any", names)
        return len(statements), catalog

    (few, _), (many, found) = platform.run(count(1)), platform.run(count(60))
    assert few == many <= 10
    assert found.users == {str(user_of(client)): True}
    assert found.roles == {"kernel.administrator": False, held: True}
    assert [found.departments, found.groups, found.connections, found.templates] == [
        frozenset(each) for each in (["sales"], ["board"], [], ["approvals.assigned"])
    ]
    assert list(found.processes or ()) == [there]
