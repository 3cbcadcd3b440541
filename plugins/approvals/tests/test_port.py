"""Other plugins have their records approved: a note of the example plugin."""

from typing import Any

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, ended, todo, user_of

pytestmark = pytest.mark.database
NOTES = "/api/v1/example/notes"


def test_a_plugin_has_its_record_approved(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl, other_tenant: TestTenant
) -> None:
    wang = as_user({REQUEST_USE})
    mine = [{"type": "user", "value": str(user_of(wang))}]
    process = published(approver("mgr", user=user_of(wang), label="Manager"), revoke_minutes=60)
    note = client.post(NOTES, json={"title": "Plan", "text": "x", "tags": []}).json()
    at = f"{NOTES}/{note['id']}"

    def start(**body: Any) -> Any:
        return client.post(f"{at}/approval", json={"process": process, **body})

    def title() -> str:
        return str(client.get(at).json()["title"])

    assert start(process="nothing").status_code == 404
    closed = published(approver("mgr", user=user_of(wang)), start={"who": mine})
    assert start(process=closed).status_code == 403
    first = start()
    assert (first.status_code, first.json()["status"]) == (201, "running"), first.text
    todo(wang)
    assert client.get(f"{at}/approval").json()[0]["nodes"] == ["Manager"]
    stranger = as_user({"example.note.read", "example.note.write"}, tenant=other_tenant)
    assert stranger.get(f"{at}/approval").status_code == 404
    # Taken back by the plugin, once.
    assert client.post(f"{at}/approval/withdraw").status_code == 204
    again = client.post(f"{at}/approval/withdraw")
    assert (again.status_code, again.json()["type"].split(":")[-1]) == (409, "withdraw-too-late")
    never = start(process=published(approver("mgr", user=user_of(wang)), withdraw="never"))
    assert never.status_code == 201
    assert client.post(f"{at}/approval/withdraw").status_code == 409
    assert client.post(f"{API}/instances/{never.json()['id']}/terminate", json={}).status_code == 200
    # Approved; the record knows, and says whether that can be taken back.
    second = start().json()
    assert decide(wang, todo(wang)).status_code == 200
    ended(client, second, "approved")
    engine.platform.settle()
    assert title() == "✓ Plan"
    assert start().status_code == 409
    listed = client.get(f"{at}/approval").json()
    assert [each["status"] for each in listed] == ["approved", "terminated", "withdrawn"]
    assert client.patch(at, json={"title": "Another"}, headers={"If-Match": client.get(at).headers["ETag"]}).is_success
    used = client.post(f"{API}/instances/{second['id']}/revoke", json={})
    assert (used.status_code, "rewritten" in used.json()["detail"]) == (409, True)
    assert client.get(f"{API}/instances/{second['id']}").json()["status"] == "approved"
    back = {"title": "✓ Plan"}
    assert client.patch(at, json=back, headers={"If-Match": client.get(at).headers["ETag"]}).is_success
    assert client.post(f"{API}/instances/{second['id']}/revoke", json={}).status_code == 200
    engine.platform.settle()
    assert title() == "Plan"
    # For as long as the process says.
    third = start().json()
    assert decide(wang, todo(wang)).status_code == 200
    ended(client, third, "approved")
    engine.advance(minutes=61)
    late = client.post(f"{API}/instances/{third['id']}/revoke", json={})
    assert (late.status_code, late.json()["type"].split(":")[-1]) == (409, "withdraw-too-late")
