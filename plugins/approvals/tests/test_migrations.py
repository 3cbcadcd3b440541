"""Running requests are moved to another version of their process."""

from typing import Any

import pytest

from riveredge_approvals.engine.migrating import plan
from riveredge_approvals.jobs import slices
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.processes import migrating
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser, OpenStream

from .drawings import approver, flow, parallel
from .requests import API, FORM, Publish, decide, ended, submit, todo, user_of, wait

pytestmark = pytest.mark.database


def test_running_requests_are_moved(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl, other_tenant: TestTenant
) -> None:
    li, wang, zhao, sun = (as_user({REQUEST_USE}) for _ in range(4))
    names: dict[str, str] = {}

    def steps(mgr: str, mode: str, *more: Any) -> list[Any]:
        branches = [[approver("fin", user=user_of(wang))], [approver("law", user=user_of(sun))], *more]
        both = parallel("both", *branches)
        return [approver(mgr, users=[user_of(wang), user_of(zhao)], mode=mode), both]

    process = published(approver("pre", user=user_of(li), self_approval="self"), *steps("mgr", "all"))
    found = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    url = f"{API}/processes/{next(each['id'] for each in found if each['key'] == process)}"

    def publish(*drawn: Any, form: dict[str, Any] = FORM) -> int:
        draft = client.get(f"{url}/draft").json()
        body = {"revision": draft["revision"], "diagram": flow(*drawn), "form_schema": form}
        kept = client.put(f"{url}/draft", json=body).json()
        made = client.post(f"{url}/publish", json={"revision": kept["revision"]})
        assert made.status_code == 201, made.text
        return int(made.json()["number"])

    def started(name: str) -> dict[str, Any]:
        request = submit(li, process)
        names[request["id"]] = name
        assert decide(li, todo(li, "pre")).status_code == 200
        return request

    def of(who: ApiClient, request: dict[str, Any]) -> dict[str, Any]:
        engine.platform.settle()
        items = who.get(f"{API}/tasks", params={"limit": 100}).json()["items"]
        return next(item for item in items if item["instance_id"] == request["id"])

    def all_decide(request: dict[str, Any], *people: ApiClient) -> None:
        for who in people:
            assert decide(who, of(who, request)).status_code == 200

    def migrated(to: int, **body: Any) -> dict[str, dict[str, Any]]:
        asked = client.post(f"{url}/migrations", json={"from": 1, "to": to, **body})
        assert asked.status_code == 202, asked.text
        engine.platform.settle()
        at = asked.headers["Location"]
        assert client.get(at).json()["state"] == "completed"
        lines = client.get(f"{at}/instances", params={"limit": 50}).json()["items"]
        assert as_user({"approvals.instance.admin"}, tenant=other_tenant).get(at).status_code == 404
        return {names[line["instance_id"]]: line for line in lines}

    fresh, begun, joined, back = (started(name) for name in ("fresh", "begun", "joined", "back"))
    # A draft is with its submitter, who makes its form fit.
    draft = submit(li, process)
    names[draft["id"]] = "draft"
    assert decide(li, todo(li, "pre"), "return", to="start").status_code == 200
    all_decide(begun, wang)
    all_decide(joined, wang, zhao, wang)
    assert li.post(f"{API}/instances/{back['id']}/withdraw", json={}).status_code == 200
    # Version 2: the first step is gone, another one is new, and one of the two managers is enough.
    second = publish(*steps("boss", "any"), approver("ceo", user=user_of(zhao)))
    third = publish(*steps("mgr", "all", [approver("tax", user=user_of(sun))]))
    fourth = publish(*steps("mgr", "all"), form={**FORM, "required": ["amount"]})
    for wrong, field in (
        ({"to": 9}, "to"),
        ({"to": 1}, "to"),
        ({"to": second, "map": {"mgr": "nowhere"}}, "map.mgr"),
        ({"to": second, "map": {"mgr": "both"}}, "map.mgr"),
        ({"to": second, "map": {"unknown": "boss"}}, "map.unknown"),
    ):
        refused = client.post(f"{url}/migrations", json={"from": 1, **wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    assert li.post(f"{url}/migrations", json={"from": 1, "to": second}).status_code == 403
    # Dry: nothing is moved, and each says where it stands.
    unmapped = migrated(second)
    assert {name: line["state"] for name, line in unmapped.items()} == {
        "fresh": "kept",
        "begun": "kept",
        "joined": "moves",
        "draft": "moves",
    }
    assert unmapped["fresh"]["nodes"][0]["to"] is None
    mapped = migrated(second, map={"mgr": "boss"})
    assert {name: line["state"] for name, line in mapped.items()} == {
        "fresh": "moves",
        "begun": "kept",
        "joined": "moves",
        "draft": "moves",
    }
    assert (mapped["fresh"]["nodes"][0]["to"], mapped["fresh"]["nodes"][0]["anew"]) == ("boss", True)
    assert "decide together otherwise" in mapped["begun"]["why"][0]
    assert "waits for others" in migrated(third)["joined"]["why"][0]
    unfit = migrated(fourth)
    assert unfit["fresh"]["why"] == ['form: "amount" is a required property.']
    assert unfit["draft"]["state"] == "moves"
    old = of(wang, fresh)
    moved = migrated(second, map={"mgr": "boss"}, dry_run=False)
    assert {name: line["state"] for name, line in moved.items()} == {
        "fresh": "moved",
        "begun": "kept",
        "joined": "moved",
        "draft": "moved",
    }
    assert migrated(second, map={"mgr": "boss"}, dry_run=False).keys() == {"begun"}
    # What was asked on the old one is void; one of the two is enough now, and the new step comes.
    assert decide(wang, old).json()["reason"] == "migrated"
    assert decide(wang, of(wang, fresh)).status_code == 200
    assert of(wang, fresh)["node"] == "fin"
    all_decide(fresh, wang, sun)
    all_decide(joined, sun)
    for request in (fresh, joined):
        assert of(zhao, request)["node"] == "ceo"
        all_decide(request, zhao)
        ended(li, request, "approved")
        at = f"{API}/instances/{request['id']}"
        assert client.get(f"{at}/diagram").json()["version"] == second
        history = client.get(f"{at}/history", params={"limit": 200}).json()["items"]
        (line,) = [entry["data"] for entry in history if entry["kind"] == "instance.migrated"]
        assert (line["source"], line["target"]) == (1, second)
        assert client.get(f"{at}/history/verification").json()["intact"] is True
    # How it stood before it was moved is still shown.
    early = client.get(f"{API}/instances/{joined['id']}/diagram", params={"seq": 5})
    assert early.status_code == 200, early.text
    # A task of a step that is no more is still shown to who decided it.
    first = li.get(f"{API}/tasks", params={"box": "done", "limit": 50}).json()["items"]
    assert {li.get(f"{API}/tasks/{each['id']}").json()["label"] for each in first} == {"pre"}
    # The one that stayed goes on as it was.
    all_decide(begun, zhao, wang, sun)
    ended(li, begun, "approved")


def test_a_migration_is_followed_and_cancelled_and_one_that_fails_stands_in_nobodys_way(
    client: ApiClient,
    as_user: AsUser,
    published: Publish,
    engine: EngineControl,
    *,
    monkeypatch: pytest.MonkeyPatch,
    stream: OpenStream,
    other_tenant: TestTenant,
) -> None:
    li = as_user({REQUEST_USE})
    mine = approver("mgr", user=user_of(li), self_approval="self")
    process = published(mine)
    url = f"{API}/processes/{client.get(f'{API}/processes').json()['items'][0]['id']}"
    draft = {"revision": client.get(f"{url}/draft").json()["revision"], "form_schema": FORM}
    kept = client.put(f"{url}/draft", json={**draft, "diagram": flow(mine, {**mine, "id": "more"})}).json()
    made = client.post(f"{url}/publish", json={"revision": kept["revision"], "acknowledge": "all"})
    assert made.status_code == 201, made.text
    for _ in range(3):
        submit(li, process)
    back = {"from": 2, "to": 1}

    def asked(**body: Any) -> str:
        answer = client.post(f"{url}/migrations", json={**back, **body})
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    with monkeypatch.context() as broken:
        # A named fault: any that no retry mends.
        broken.setattr(migrating, "plan", lambda *_: 1 / 0)
        first = asked()
        assert client.post(f"{url}/migrations", json=back).json()["job_id"] == first.rpartition("/")[2]
        assert li.post(f"{first}/cancel").status_code == 403
        assert as_user({"approvals.instance.admin"}, tenant=other_tenant).post(f"{first}/cancel").status_code == 404
        stopped = client.post(f"{first}/cancel")
        assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
        assert client.post(f"{first}/cancel").status_code == 409
        second = asked()
        engine.platform.settle()
        engine.advance(hours=12)
        engine.platform.settle()
    wait(lambda: client.get(second).json()["state"] == "failed", "it never failed")
    assert "ZeroDivisionError" in client.get(second).json()["error"]
    assert (client.get(first).json()["state"], client.get(first).json()["done"]) == ("cancelled", 0)
    # One after the other, and by more than one run; one that cannot be moved keeps none of the others.
    with monkeypatch.context() as small:
        small.setattr(slices, "PER_SLICE", 1)
        small.setattr(slices, "MAX_SLICES", 2)
        odd = iter([True])

        def plans(*of: Any) -> Any:
            if next(odd, False):
                raise ValueError("It is odd.")
            return plan(*of)

        small.setattr(migrating, "plan", plans)
        third = asked(dry_run=False)
        engine.platform.settle()
    done = client.get(third).json()
    assert (done["state"], done["total"], done["done"], done["kept"]) == ("completed", 3, 3, 1)
    lines = client.get(f"{third}/instances").json()["items"]
    assert [line["state"] for line in lines] == ["kept", "moved", "moved"]
    assert lines[0]["why"] == ["It is odd."]
    # Who follows it is told how far it is, and nobody else can.
    told, topic = stream(client), "approvals.migration"
    last = stream(client).subscribe(topic, done["id"])["seq"]
    told.subscribe(topic, done["id"], since=last - 4)
    assert [(each["what"], each["data"]["done"]) for each in (told.next() for _ in range(4))] == [
        ("progress", 1),
        ("progress", 2),
        ("progress", 3),
        ("completed", 3),
    ]
    for who in (li, as_user({"approvals.instance.admin"}, tenant=other_tenant)):
        assert stream(who).subscribe(topic, done["id"])["type"] == "error"
