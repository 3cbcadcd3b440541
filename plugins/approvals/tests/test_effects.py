"""What nodes do outside: calls of a real server, call-backs, nodes of plugins, subflows, records that are approved."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.http import HttpPeer, Reply
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, flow, node
from .requests import API, Publish, decide, ended, publish_drawing, submit, todo, user_of

pytestmark = pytest.mark.database

CONNECTIONS = f"{API}/connections"
SECRET = "whsec_" + base64.b64encode(b"a key of more than 24 bytes").decode()


def connection(client: ApiClient, url: str, **more: Any) -> dict[str, Any]:
    """A connection called `erp`."""
    made = client.post(CONNECTIONS, json={"key": "erp", "title": "ERP", "base_url": url, **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


def marks(client: ApiClient, request: dict[str, Any]) -> dict[str, Any]:
    """How the nodes of a request stand."""
    shown = client.get(f"{API}/instances/{request['id']}/diagram").json()
    return {each["node"]: each["status"] for each in shown["nodes"]}


def test_connections_keep_their_secrets(
    client: ApiClient, as_user: AsUser, peer: HttpPeer, other_tenant: TestTenant
) -> None:
    row = connection(client, f"{peer.url}/api", headers={"Authorization": "Bearer s3cret"}, signing_secret=SECRET)
    at, version = f"{CONNECTIONS}/{row['id']}", {"If-Match": '"1"'}
    assert (row["header_names"], row["signs"]) == (["Authorization"], True)
    for text in (str(row), client.get(at).text, client.get(CONNECTIONS).text):
        assert "s3cret" not in text
        assert SECRET not in text
    peer.reply = lambda call: Reply(200 if call.path == "/api/ping" else 404, {"path": call.path})
    tried = client.post(f"{at}/test", json={"path": "/ping"}).json()
    assert (tried["status"], tried["error"]) == (200, None)
    assert peer.calls[0].headers["authorization"] == "Bearer s3cret"
    assert "404" in client.post(f"{at}/test", json={"path": "nowhere"}).json()["error"]
    assert "leads out" in client.post(f"{at}/test", json={"path": "a/%2e%2e/b"}).json()["error"]
    # A stored secret goes nowhere but where it was given for.
    moved = client.patch(at, json={"base_url": "https://evil.example"}, headers=version)
    assert [each["field"] for each in moved.json()["errors"]] == ["headers", "signing_secret"]
    assert client.patch(at, json={"base_url": f"{peer.url}/v2", "title": "New"}, headers=version).status_code == 200
    client.post(f"{at}/test", json={"path": "x"})
    assert (peer.calls[-1].path, peer.calls[-1].headers["authorization"]) == ("/v2/x", "Bearer s3cret")
    for wrong, field in (
        ({"base_url": "ftp://a.example"}, "base_url"),
        ({"base_url": "https://me:pw@a.example"}, "base_url"),
        ({"base_url": "https://a.example/?q=1"}, "base_url"),
        ({"base_url": "https://a.example", "headers": {"Host": "x"}}, "headers"),
        ({"base_url": "https://a.example", "headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"base_url": "https://a.example", "signing_secret": "short"}, "signing_secret"),
    ):
        refused = client.post(CONNECTIONS, json={"key": "odd", "title": "x", **wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"].split(".")[0]) == (422, field), refused.text
    assert client.post(CONNECTIONS, json={"key": "erp", "title": "x", "base_url": peer.url}).status_code == 409
    assert as_user({REQUEST_USE}).get(CONNECTIONS).status_code == 403
    stranger = as_user({"approvals.process.read", "approvals.connection.write"}, tenant=other_tenant)
    assert stranger.get(at).status_code == 404
    assert stranger.post(f"{at}/test", json={}).status_code == 404
    assert client.delete(at, headers={"If-Match": '"2"'}).status_code == 204


def test_a_webhook_is_called_until_it_succeeds(
    client: ApiClient, as_user: AsUser, published: Publish, peer: HttpPeer, engine: EngineControl
) -> None:
    row = connection(client, f"{peer.url}/api", headers={"X-Key": "k1"}, signing_secret=SECRET)
    answers = [Reply(503), None, Reply(201, {"order": {"id": "PO/7"}})]
    peer.reply = lambda _call: answers.pop(0)
    li = as_user({REQUEST_USE})
    process = published(
        node(
            "order",
            "webhook",
            connection="erp",
            method="PUT",
            path="/orders/{{ form.note }}?by={{ initiator.id }}",
            headers={"X-Number": "{{ instance.number }}"},
            body={"amount": "{{ form.amount }}", "text": "For {{form.note}}", "lines": [1]},
            save={"note": "/order/id"},
        )
    )
    refused = client.delete(f"{CONNECTIONS}/{row['id']}", headers={"If-Match": '"1"'})
    assert refused.status_code == 409
    request = submit(li, process, form={"amount": 12.5, "note": "a/b&c=d"})
    for _ in range(4):
        engine.advance(seconds=40)
    assert ended(li, request, "approved")["form"] == {"amount": 12.5, "note": "PO/7"}
    assert len(peer.calls) == 3
    assert len({call.headers["idempotency-key"] for call in peer.calls}) == 1
    call = peer.calls[-1]
    assert call.method == "PUT"
    assert call.path == f"/api/orders/a%2Fb%26c%3Dd?by={user_of(li)}"
    assert call.json() == {"amount": 12.5, "text": "For a/b&c=d", "lines": [1]}
    assert (call.headers["x-key"], call.headers["x-number"]) == ("k1", request["number"])
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    made = base64.b64encode(hmac.new(b"a key of more than 24 bytes", signed, hashlib.sha256).digest()).decode()
    assert call.headers["webhook-signature"] == f"v1,{made}"


def test_failures_go_where_the_drawing_says(
    client: ApiClient, as_user: AsUser, published: Publish, peer: HttpPeer, engine: EngineControl
) -> None:
    connection(client, peer.url)
    peer.reply = lambda _call: Reply(400, {"reason": "no"})
    li = as_user({REQUEST_USE})
    mended = published(node("call", "webhook", connection="erp", save={"note": "/note"}))
    ignored = published(node("call", "webhook", connection="erp", on_error={"action": "ignore"}))
    stuck, passed = submit(li, mended), submit(li, ignored)
    ended(li, passed, "approved")
    engine.platform.settle()
    assert marks(li, stuck)["call"] == "incident"
    assert len(peer.calls) == 2
    # The administrator has it tried again.
    peer.reply = lambda _call: Reply(200, {"nothing": 1})
    assert client.post(f"{API}/instances/{stuck['id']}/retry", json={}).status_code == 200
    engine.platform.settle()
    assert marks(li, stuck)["call"] == "incident"
    peer.reply = lambda _call: Reply(200, {"note": "there"})
    assert client.post(f"{API}/instances/{stuck['id']}/retry", json={}).status_code == 200
    assert ended(li, stuck, "approved")["form"]["note"] == "there"


def test_a_webhook_waits_to_be_called_back_once(  # noqa: PLR0917
    client: ApiClient,
    as_user: AsUser,
    anonymous: ApiClient,
    published: Publish,
    peer: HttpPeer,
    engine: EngineControl,
) -> None:
    connection(client, peer.url)
    li = as_user({REQUEST_USE})
    process = published(
        node("call", "webhook", connection="erp", wait_callback=True, callback_timeout="PT1H", save={"note": "/said"})
    )
    requests = [submit(li, process, form={"note": str(number)}) for number in range(3)]
    engine.platform.settle()

    def address(request: dict[str, Any]) -> str:
        call = next(each for each in peer.calls if each.json()["data"]["id"] == request["id"])
        return urlsplit(str(call.json()["data"]["callback_url"])).path

    told, failed, late = map(address, requests)
    for wrong in (told[:-1] + ("A" if told[-1] != "A" else "B"), told[:-4], f"{told}AAAA"):
        assert anonymous.post(wrong, json={"said": "forged"}).status_code == 404
    assert anonymous.get(told).status_code == 405
    assert anonymous.post(told, json={"said": "yes"}).status_code == 200
    assert anonymous.post(told, json={"said": "again"}).status_code == 409
    assert ended(li, requests[0], "approved")["form"]["note"] == "yes"
    assert anonymous.post(f"{failed}?failed=Out%20of%20stock").status_code == 200
    engine.platform.settle()
    assert marks(li, requests[1])["call"] == "incident"
    engine.advance(hours=1, minutes=5)
    assert marks(li, requests[2])["call"] == "incident"
    assert anonymous.post(late, json={"said": "late"}).status_code == 409
    # Whoever withdraws meanwhile is not called back to.
    gone = submit(li, process)
    engine.platform.settle()
    assert li.post(f"{API}/instances/{gone['id']}/withdraw", json={}).status_code == 200
    assert anonymous.post(address(gone), json={"said": "x"}).status_code == 409


def test_nodes_and_records_of_plugins(client: ApiClient, published: Publish, engine: EngineControl) -> None:
    assert client.user is not None
    note = client.post("/api/v1/example/notes", json={"title": "Plan", "text": "About it", "tags": []}).json()
    process = published(
        approver("mgr", user=client.user.id, self_approval="self"), node("write", "example.note", title="Done")
    )
    subject = {"type": "example.note", "id": note["id"]}
    # What the record says counts, whatever its submitter says.
    request = submit(client, process, subject=subject, form={"note": "mine"})
    assert decide(client, todo(client)).status_code == 200
    ended(client, request, "approved")
    engine.platform.settle()
    titles = {each["title"] for each in client.get("/api/v1/example/notes", params={"limit": 100}).json()["items"]}
    assert {"✓ Plan", "Done"} <= titles
    again = client.post(f"{API}/instances", json={"process": process, "subject": subject})
    assert again.status_code == 409
    for wrong, status in (
        ({"type": "example.note", "id": "00000000-0000-0000-0000-000000000007"}, 404),
        ({"type": "example.nothing", "id": "1"}, 422),
    ):
        assert client.post(f"{API}/instances", json={"process": process, "subject": wrong}).status_code == status


def test_a_node_tells_people_in_the_organisations_words(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE, "messaging.inbox.use"})
    # It declares what it uses, and not all that there is.
    names = ("title", "number", "submitter")
    texts = {"subject": "{{ number }} costs {{ form.amount }}", "text": "{{ submitter }}: {{ title }}"}
    variables = {
        "type": "object",
        "properties": {**{name: {"type": "string"} for name in names}, "form": {"type": "object"}},
        "required": ["form"],
    }
    template = {"key": "acme.bought", "title": "Bought", "texts": {"en": texts}, "variables": variables}
    sample = {**dict.fromkeys(names, "x"), "form": {"amount": 1}}
    made = client.post("/api/v1/messaging/templates", json={**template, "sample": sample})
    assert made.status_code == 201, made.text
    recipients = [{"type": "user", "value": str(user_of(wang))}]
    tells = published(node("tell", "notify", template="acme.bought", recipients=recipients))
    request = submit(li, tells, form={"amount": 7})
    ended(li, request, "approved")
    # What is gone since it was published is an incident.
    kept = client.get(f"/api/v1/messaging/templates/{made.json()['id']}")
    gone = client.post(f"{kept.url.path}/archive", headers={"If-Match": kept.headers["ETag"]})
    assert gone.status_code == 200, gone.text
    broken = submit(li, tells)
    engine.platform.settle()
    (item,) = wang.get("/api/v1/messaging/inbox").json()["items"]
    assert item["subject"] == f"{request['number']} costs 7"
    assert marks(li, broken)["tell"] == "incident"


def test_what_was_done_for_nothing_is_told_of(
    client: ApiClient, as_user: AsUser, published: Publish, peer: HttpPeer, engine: EngineControl
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})

    def notes() -> int:
        engine.platform.settle()
        items = client.get("/api/v1/example/notes", params={"limit": 100}).json()["items"]
        return sum(item["title"] == "Done" for item in items)

    def undone(request: dict[str, Any]) -> list[tuple[str, str]]:
        history = li.get(f"{API}/instances/{request['id']}/history", params={"limit": 200}).json()["items"]
        lines = [entry for entry in history if entry["kind"] == "effect.compensating"]
        return [(line["node"], line["data"]["because"]) for line in lines]

    process = published(
        approver("first", user=user_of(wang)),
        node("write", "example.note", title="Done"),
        approver("mgr", user=user_of(wang), allow=["return"]),
    )
    request = submit(li, process)
    assert decide(wang, todo(wang, "first")).status_code == 200
    task = todo(wang, "mgr")
    assert notes() == 1
    # It goes back past the node, and comes that way again: the plugin takes away what it has done, each time.
    assert decide(wang, task, "return", to="first").status_code == 200
    task = todo(wang, "first")
    assert notes() == 0
    assert decide(wang, task).status_code == 200
    todo(wang, "mgr")
    assert notes() == 1
    assert li.post(f"{API}/instances/{request['id']}/withdraw", json={}).status_code == 200
    assert notes() == 0
    assert undone(request) == [("write", "returned"), ("write", "withdrawn")]
    # A rejection undoes what says so, and nothing else.
    for also in (True, False):
        rejected = published(
            node("write", "example.note", title="Done", compensate_on_reject=also), approver("mgr", user=user_of(wang))
        )
        request = submit(li, rejected)
        assert decide(wang, todo(wang, "mgr"), "reject").status_code == 200
        ended(li, request, "rejected")
        assert (notes(), undone(request)) == ((0, [("write", "rejected")]) if also else (1, []))
    # Taken back while the other system is at it: what it has done is not wanted any more either.
    connection(client, peer.url)

    def take_back(call: Any) -> Reply:
        at = f"{API}/instances/{call.json()['data']['id']}"
        assert li.post(f"{at}/withdraw", json={}).status_code == 200
        return Reply(200, {"order": 7})

    peer.reply = take_back
    request = submit(li, published(node("call", "webhook", connection="erp")))
    ended(li, request, "withdrawn")
    engine.platform.settle()
    assert undone(request) == [("call", "withdrawn")]
    # So is it while one waits to be called back; what has failed was not done.
    peer.reply = lambda _call: Reply(200, {"order": 8})
    request = submit(
        li, published(node("call", "webhook", connection="erp", wait_callback=True, callback_timeout="PT1H"))
    )
    engine.platform.settle()
    assert client.post(f"{API}/instances/{request['id']}/terminate", json={}).status_code == 200
    assert undone(request) == [("call", "terminated")]
    peer.reply = lambda _call: Reply(400)
    request = submit(li, published(node("call", "webhook", connection="erp")))
    engine.platform.settle()
    assert li.post(f"{API}/instances/{request['id']}/withdraw", json={}).status_code == 200
    assert undone(request) == []
    assert client.get(f"{API}/instances/{request['id']}/history/verification").json()["intact"] is True


def test_failures_and_children_that_nobody_waits_for(
    client: ApiClient, as_user: AsUser, published: Publish, peer: HttpPeer, engine: EngineControl
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    connection(client, peer.url)
    peer.reply = lambda _call: Reply(400)
    # The exit `error` is a way of its own; both ways end.
    drawn = flow(node("call", "webhook", connection="erp", on_error={"action": "edge"}))
    drawn["nodes"] += [approver("mend", user=user_of(wang)), node("given_up", "end", result="rejected")]
    drawn["edges"] += [
        {"id": "x1", "source": "call", "target": "mend", "sourceHandle": "error"},
        {"id": "x2", "source": "mend", "target": "given_up"},
    ]
    failed = submit(li, publish_drawing(client, drawn))
    assert decide(wang, todo(wang, "mend")).status_code == 200
    ended(li, failed, "rejected")
    assert marks(li, failed)["call"] == "failed"
    peer.reply = lambda _call: Reply(200, {})
    passed = submit(li, publish_drawing(client, drawn))
    ended(li, passed, "approved")
    # A child that nobody waits for goes on by itself, however its parent ends.
    child = published(approver("check", user=user_of(wang)))
    parent = submit(li, published(node("sub", "subflow", process=child, wait=False, map_in={"amount": "form.amount"})))
    ended(li, parent, "approved")
    task = todo(wang, "check")
    inner = wang.get(f"{API}/instances/{task['instance_id']}").json()
    assert (inner["parent_id"], inner["status"]) == (parent["id"], "running")
    assert decide(wang, task, "reject", comment="no").status_code == 200
    ended(wang, inner, "rejected")
    engine.platform.settle()
    assert li.get(f"{API}/instances/{parent['id']}").json()["status"] == "approved"


def test_a_subflow_is_a_request_of_its_own(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    child = published(approver("check", user=user_of(wang), fields={"note": "edit"}), title="Child")
    parent = published(
        node("sub", "subflow", process=child, map_in={"amount": "form.amount"}, map_out={"note": "form.note"})
    )
    request = submit(li, parent, form={"amount": 7})
    task = todo(wang)
    inner = wang.get(f"{API}/instances/{task['instance_id']}").json()
    assert (inner["parent_id"], inner["form"]["amount"], inner["submitter_id"]) == (request["id"], 7, str(user_of(li)))
    assert decide(wang, task, form={"note": "checked"}).status_code == 200
    assert ended(li, request, "approved")["form"]["note"] == "checked"
    # A rejected child rejects the parent; a parent that is withdrawn ends its child.
    second, third = submit(li, parent), submit(li, parent)
    engine.platform.settle()
    tasks = wang.get(f"{API}/tasks").json()["items"]
    of = {wang.get(f"{API}/instances/{each['instance_id']}").json()["parent_id"]: each for each in tasks}
    assert decide(wang, of[second["id"]], "reject", comment="no").status_code == 200
    ended(li, second, "rejected")
    assert li.post(f"{API}/instances/{third['id']}/withdraw", json={}).status_code == 200
    engine.platform.settle()
    assert wang.get(f"{API}/tasks").json()["items"] == []
    lost = client.get(f"{API}/instances/{of[third['id']]['instance_id']}").json()
    assert lost["status"] == "terminated"
    # It may be of a version of its own, and the request of somebody in the form.
    other = published(node("sub", "subflow", process=child, version=1, starter="form.note"))
    fourth, nobody = submit(li, other, form={"note": str(user_of(wang))}), submit(li, other, form={"note": "x"})
    engine.platform.settle()
    instances = client.get(f"{API}/instances", params={"limit": 100}).json()["items"]
    (inner,) = (each for each in instances if each["parent_id"] == fourth["id"])
    assert inner["submitter_id"] == str(user_of(wang))
    assert marks(li, nobody)["sub"] == "incident"
    # One that cannot be started is an incident of the parent.
    processes = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    (its_id,) = (each["id"] for each in processes if each["key"] == child)
    assert client.post(f"{API}/processes/{its_id}/archive").status_code == 200
    broken = submit(li, parent)
    engine.platform.settle()
    assert marks(li, broken)["sub"] == "incident"
