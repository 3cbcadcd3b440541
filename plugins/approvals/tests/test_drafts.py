"""Drafts over REST: validated, published with what was acknowledged, and never a reason to fall over."""

from typing import Any
from uuid import uuid4

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, choice, example, flow, node, schema_of, when
from .requests import API, FORM, user_of

pytestmark = pytest.mark.database


def make(client: ApiClient, drawing: dict[str, Any], form: dict[str, Any] = FORM) -> str:
    """A process with this draft; its address."""
    made = client.post(f"{API}/processes", json={"key": f"d{uuid4().hex[:12]}", "title": "Draft"}).json()
    url = f"{API}/processes/{made['id']}"
    kept = client.put(f"{url}/draft", json={"revision": 1, "diagram": drawing, "form_schema": form})
    assert kept.status_code == 200, kept.text
    return url


def codes(answer: Any) -> dict[str, str | None]:
    """Of issues, with their places."""
    assert answer.status_code == 200, answer.text
    return {issue["code"]: issue["node"] or issue["edge"] for issue in answer.json()["issues"]}


def test_what_is_published_was_validated(client: ApiClient, as_user: AsUser, other_tenant: TestTenant) -> None:
    stranger = user_of(as_user({REQUEST_USE}, tenant=other_tenant))
    big = choice("size", (when("form.amount", "gt", 5), []), (None, []))
    url = make(
        client,
        flow(
            approver("mgr", user=stranger, on_empty={"action": "approve"}),
            big,
            approver("ceo", role="nobody-has-it"),
            approver("own", assignees=[{"type": "resolver", "id": "example.note_author", "config": {"x": 1}}]),
            node("note", "example.note", title=""),
            node("gone", "erp.book"),
            node("call", "webhook", connection="erp"),
            node("tell", "notify", template="acme.gone", recipients=[{"type": "initiator"}]),
            node("sub", "subflow", process="nothing-there"),
        ),
    )
    found = client.post(f"{url}/validate", json={})
    assert codes(found) == {
        "unknownUser": "mgr",
        "autoApproveOnEmpty": "mgr",
        "emptyBranch": "e3",
        "unknownRole": "ceo",
        "badResolverConfig": "own",
        "badData": "note",
        "pluginMissing": "gone",
        "unknownConnection": "call",
        "unknownTemplate": "tell",
        "subflowMissing": "sub",
    }
    said = found.json()
    assert (said["valid"], said["errors"], said["warnings"], said["revision"]) == (False, 9, 2, 2)
    chinese = client.post(f"{url}/validate", json={}, headers={"Accept-Language": "zh-CN"}).json()
    assert next(each["message"] for each in chinese["issues"] if each["code"] == "pluginMissing").startswith("插件 erp")
    refused = client.post(f"{url}/publish", json={"revision": 2, "acknowledge": "all"})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (422, "drawing-invalid")
    assert {each["code"] for each in refused.json()["issues"]} == codes(found).keys()
    assert {"diagram.nodes.mgr", "diagram.nodes.gone"} <= {each["field"] for each in refused.json()["errors"]}
    # Warnings are looked at, each by its code.
    mended = flow(approver("mgr", user=user_of(client), on_empty={"action": "approve"}), big)
    client.put(f"{url}/draft", json={"revision": 2, "diagram": mended, "form_schema": FORM})
    for acknowledged, open_ in (([], ["autoApproveOnEmpty", "emptyBranch"]), (["emptyBranch"], ["autoApproveOnEmpty"])):
        warned = client.post(f"{url}/publish", json={"revision": 3, "acknowledge": acknowledged})
        assert (warned.status_code, warned.json()["type"].split(":")[-1]) == (422, "warnings-not-acknowledged")
        assert warned.json()["codes"] == open_
    both = ["emptyBranch", "autoApproveOnEmpty"]
    assert client.post(f"{url}/publish", json={"revision": 3, "acknowledge": both}).status_code == 201
    assert "checksumUnchanged" in codes(client.post(f"{url}/validate", json={}))
    # What an earlier version names is looked up anew before it comes back.
    erp = client.post(f"{API}/connections", json={"key": "erp", "title": "ERP", "base_url": "https://erp.example.com"})
    calls = flow(approver("mgr", user=user_of(client)), node("call", "webhook", connection="erp"))
    plain = flow(approver("mgr", user=user_of(client)))
    for revision, drawing in ((3, calls), (4, plain)):
        client.put(f"{url}/draft", json={"revision": revision, "diagram": drawing, "form_schema": FORM})
        assert client.post(f"{url}/publish", json={"revision": revision + 1}).status_code == 201
    at = f"{API}/connections/{erp.json()['id']}"
    assert client.delete(at, headers={"If-Match": erp.headers["ETag"]}).status_code == 204
    gone = client.post(f"{url}/roll-back", json={"version": 2, "acknowledge": "all"})
    assert (gone.status_code, [each["code"] for each in gone.json()["issues"]]) == (422, ["unknownConnection"])
    warned = client.post(f"{url}/roll-back", json={"version": 1, "acknowledge": ["emptyBranch"]})
    assert (warned.status_code, warned.json()["codes"]) == (422, ["autoApproveOnEmpty"])
    assert client.post(f"{url}/roll-back", json={"version": 1, "acknowledge": both}).json()["number"] == 4
    # A drawing that is not kept, with the form that it would have.
    other = {"diagram": flow(approver("a", assignees=[{"type": "form_user", "field": "boss"}])), "form_schema": FORM}
    assert codes(client.post(f"{url}/validate", json=other)) == {"unknownField": "a"}
    other["form_schema"] = schema_of({"boss": {"type": "string"}})
    assert client.post(f"{url}/validate", json=other).json()["valid"] is True
    assert client.get(f"{url}/draft").json()["revision"] == 5
    assert as_user({REQUEST_USE}).post(f"{url}/validate", json={}).status_code == 403
    foreign = as_user({"approvals.process.read"}, tenant=other_tenant)
    assert foreign.post(f"{url}/validate", json={}).status_code == 404


def test_no_drawing_makes_the_platform_fall_over(client: ApiClient) -> None:
    url = make(client, example(user_of(client)))
    ring = [{**approver(f"n{place}", user="x"), "parentId": f"n{(place + 1) % 300}"} for place in range(300)]
    many = [node(f"n{place}", "approver") for place in range(3500)]
    comparison: dict[str, Any] = when("form.amount", "gt", "1e999999999")
    for _ in range(11):
        comparison = {"match": "none", "conditions": [comparison]}
    kept: list[tuple[dict[str, Any], str]] = [
        ({"nodes": ring}, "badParent"),
        ({"nodes": many}, "tooManyNodes"),
        (flow(approver("a", user="x", skip_when=comparison)), "typeMismatch"),
        (flow(approver("a", user="x", fields=7, timeout=[1], assignees={"type": "user"})), "badData"),
        ({"nodes": [node("a", "no.such", body={"x": [1, None]})], "settings": {"title": ["x"]}}, "badData"),
        (flow(approver("a", user="'; DROP TABLE users; --", role="../..")), "unknownUser"),
    ]
    for revision, (drawing, code) in enumerate(kept, 2):
        put = client.put(f"{url}/draft", json={"revision": revision, "diagram": drawing, "form_schema": FORM})
        assert put.status_code == 200, put.text
        assert code in codes(client.post(f"{url}/validate", json={}))
        assert client.post(f"{url}/publish", json={"revision": revision + 1}).status_code == 422
    revision = len(kept) + 2
    stale = client.put(f"{url}/draft", json={"revision": 1, "diagram": {}})
    assert (stale.status_code, stale.json()["reason"]) == (412, "staleRevision")
    # What cannot be kept: no drawing, one that is too large, and one that nests without end.
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    none: list[tuple[dict[str, Any], str]] = [
        ({"nodes": [{"id": "a b", "type": "start"}]}, "badSchema"),
        ({"nodes": many * 2}, "tooLarge"),
        ({"settings": {"title": "x" * 600_000}}, "tooLarge"),
        ({"nodes": [node("a", "start", x=deep)]}, "badSchema"),
    ]
    for drawing, code in none:
        put = client.put(f"{url}/draft", json={"revision": revision, "diagram": drawing, "form_schema": FORM})
        assert put.status_code == 422, put.text
        validated = client.post(f"{url}/validate", json={"diagram": drawing})
        assert validated.status_code == 422 or code in codes(validated)
    assert client.get(f"{url}/draft").json()["revision"] == revision
