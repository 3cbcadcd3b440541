"""Roles, who may hand them out, and why somebody may do something."""

from typing import Any

import pytest

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

MANAGER = {"kernel.member.read", "kernel.member.write", "kernel.role.write", "example.note.read"}


def seen(made: Any) -> dict[str, str]:
    """The If-Match of what was just answered."""
    assert made.status_code in {200, 201}, made.text
    return {"If-Match": made.headers["etag"]}


def membership(client: ApiClient, of: ApiClient) -> Any:
    """The answer that shows somebody's membership."""
    assert of.user is not None
    where = f'{{"conditions":[{{"field":"user_id","op":"eq","value":"{of.user.id}"}}]}}'
    (found,) = client.get("/api/v1/members", params={"filter": where}).json()["items"]
    return client.get(f"/api/v1/members/{found['id']}")


def explained(client: ApiClient, member: Any, permission: str) -> dict[str, Any]:
    """Why the member may, or may not."""
    answer = client.get(f"/api/v1/members/{member['id']}/permissions", params={"permission": permission})
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["permissions"]
    return {**one, "obstacles": [o["code"] for o in answer.json()["obstacles"]]}


# -- nobody gives what they do not hold -----------------------------------------------------------------------------


def test_a_role_holds_no_more_than_its_maker(as_user: AsUser) -> None:
    manager = as_user(MANAGER)
    role = {"key": "own.reader", "title": "Reader", "permissions": ["example.note.read"]}
    made = manager.post("/api/v1/roles", json=role)
    assert made.status_code == 201
    bolder = {"key": "own.writer", "title": "Writer", "permissions": ["example.note.write"]}
    refused = manager.post("/api/v1/roles", json=bolder)
    assert refused.status_code == 403
    assert refused.json()["missing_permissions"] == ["example.note.write"]
    place = f"/api/v1/roles/{made.json()['id']}"
    wider = manager.patch(place, json={"permissions": ["example.note.read", "example.note.write"]}, headers=seen(made))
    assert wider.status_code == 403
    renamed = manager.patch(place, json={"title": "Reads"}, headers=seen(made))
    assert renamed.json()["title"] == "Reads"


def test_what_one_does_not_hold_is_not_taken_out_of_a_role(client: ApiClient, as_user: AsUser) -> None:
    made = client.post("/api/v1/roles", json={"key": "a.b", "title": "B", "permissions": ["kernel.tenant.write"]})
    place = f"/api/v1/roles/{made.json()['id']}"
    assert as_user(MANAGER).patch(place, json={"permissions": []}, headers=seen(made)).status_code == 403
    assert client.patch(place, json={"permissions": []}, headers=seen(made)).json()["permissions"] == []


def test_nobody_makes_themselves_administrator(as_user: AsUser) -> None:
    manager = as_user(MANAGER)
    me = membership(manager, manager)
    place = f"/api/v1/members/{me.json()['id']}"
    for role in (ADMINISTRATOR, "example.writer"):
        up = manager.patch(place, json={"roles": [*me.json()["roles"], role]}, headers=seen(me))
        assert up.status_code == 403, role
        friend = manager.post("/api/v1/members", json={"email": "friend@example.com", "roles": [role]})
        assert friend.status_code == 403, role
    assert manager.get(place).json()["roles"] == me.json()["roles"]


def test_who_may_do_more_is_neither_demoted_nor_shut_out_nor_removed(client: ApiClient, as_user: AsUser) -> None:
    manager, stronger = as_user(MANAGER), as_user({"kernel.tenant.write"})
    target = membership(client, stronger)
    place = f"/api/v1/members/{target.json()['id']}"
    changes: tuple[dict[str, Any], ...] = ({"roles": []}, {"active": False})
    for change in changes:
        assert manager.patch(place, json=change, headers=seen(target)).status_code == 403
    assert manager.delete(place, headers=seen(target)).status_code == 403
    shut = client.patch(place, json={"active": False}, headers=seen(target))
    assert shut.status_code == 200
    assert manager.patch(place, json={"active": True}, headers=seen(shut)).status_code == 403


def test_the_administrators_role_cannot_be_emptied_or_deleted(client: ApiClient) -> None:
    (role,) = (r for r in client.get("/api/v1/roles").json()["items"] if r["key"] == ADMINISTRATOR)
    place, headers = f"/api/v1/roles/{role['id']}", {"If-Match": f'"{role["version"]}"'}
    assert client.patch(place, json={"permissions": []}, headers=headers).status_code == 409
    assert client.delete(place, headers=headers).status_code == 409


def test_roles_and_members_of_others_are_out_of_reach(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant, platform: ThreadedPlatform
) -> None:
    stranger = as_user(platform.permissions, tenant=other_tenant)
    role = client.post("/api/v1/roles", json={"key": "a.c", "title": "C"})
    me = membership(client, client)
    headers = {"If-Match": '"1"'}
    for place in (f"/api/v1/roles/{role.json()['id']}", f"/api/v1/members/{me.json()['id']}"):
        assert stranger.get(place).status_code == 404
        assert stranger.patch(place, json={}, headers=headers).status_code == 404
        assert stranger.delete(place, headers=headers).status_code == 404
    assert stranger.get(f"/api/v1/members/{me.json()['id']}/permissions").status_code == 404
    foreign_key = stranger.post("/api/v1/members", json={"email": "x@example.com", "roles": ["a.c"]})
    assert foreign_key.json()["errors"][0]["field"] == "roles.0"


def test_bodies_set_nothing_but_what_they_may(client: ApiClient, other_tenant: TestTenant) -> None:
    role = {"key": "a.d", "title": "D"}
    foreign: dict[str, Any] = {"tenant_id": str(other_tenant.id), "id": str(other_tenant.id), "version": 7}
    for more in foreign.items():
        assert client.post("/api/v1/roles", json={**role, more[0]: more[1]}).status_code == 422
    member = {"email": "y@example.com"}
    foreign = {"user_id": str(other_tenant.id), "password_hash": "x", "active": True}
    for more in foreign.items():
        assert client.post("/api/v1/members", json={**member, more[0]: more[1]}).status_code == 422


@pytest.mark.parametrize("wildcard", ["*", "example.*", "example.note.*", "kernel.%"])
def test_there_are_no_wildcards(client: ApiClient, wildcard: str) -> None:
    made = client.post("/api/v1/roles", json={"key": "a.e", "title": "E", "permissions": [wildcard]})
    assert made.status_code == 422
    assert made.json()["errors"][0]["code"] == "unknown_permission"


# -- templates ------------------------------------------------------------------------------------------------------


def test_a_suggested_role_is_restored_and_taken_over_anew(client: ApiClient, as_user: AsUser) -> None:
    def suggestion() -> Any:
        found = client.get("/api/v1/roles/templates").json()
        return next(template for template in found if template["key"] == "example.writer")

    apply = "/api/v1/roles/templates/example.writer/apply"
    before = suggestion()
    assert (before["plugin"], before["changed"]) == ("example", False)
    place = f"/api/v1/roles/{before['role_id']}"
    client.patch(place, json={"permissions": []}, headers=seen(client.get(place)))
    assert suggestion()["changed"]
    assert as_user({"kernel.role.write"}).post(apply).status_code == 403
    assert client.post(apply).json()["permissions"] == ["example.note.read", "example.note.write"]
    assert not suggestion()["changed"]
    assert client.delete(place, headers=seen(client.get(place))).status_code == 204
    assert suggestion()["role_id"] is None
    assert client.post(apply).json()["key"] == "example.writer"
    assert client.post("/api/v1/roles/templates/example.nothing/apply").status_code == 404


# -- why may she? ---------------------------------------------------------------------------------------------------


def test_a_permission_is_explained_by_the_roles_that_grant_it(client: ApiClient) -> None:
    her = client.post("/api/v1/members", json={"email": "her@example.com", "roles": ["example.writer"]}).json()
    may = explained(client, her, "example.note.write")
    assert may["allowed"]
    assert [role["key"] for role in may["granted_by"]] == ["example.writer"]
    assert ADMINISTRATOR in {role["key"] for role in may["offered_by"]}
    may_not = explained(client, her, "kernel.run.read")
    assert (may_not["allowed"], may_not["code"], may_not["granted_by"]) == (False, "no_role", [])
    assert {"kernel.viewer", ADMINISTRATOR} <= {role["key"] for role in may_not["offered_by"]}
    everything = client.get(f"/api/v1/members/{her['id']}/permissions").json()
    assert {one["id"] for one in everything["permissions"] if one["allowed"]} == {
        "example.note.read",
        "example.note.write",
    }
    unknown = client.get(f"/api/v1/members/{her['id']}/permissions", params={"permission": "a.b.c"})
    assert unknown.status_code == 404


def test_what_stands_in_the_way_is_told(client: ApiClient, as_user: AsUser) -> None:
    writer = as_user({"example.note.write"})
    her = membership(client, writer).json()
    client.put("/api/v1/plugins/example", json={"enabled": False})
    off = explained(client, her, "example.note.write")
    assert (off["allowed"], off["code"]) == (False, "plugin_off")
    assert writer.post("/api/v1/example/notes", json={"title": "x"}).status_code == 404
    client.put("/api/v1/plugins/example", json={"enabled": True})
    place = f"/api/v1/members/{her['id']}"
    client.patch(place, json={"active": False}, headers=seen(client.get(place)))
    shut = explained(client, her, "example.note.write")
    assert (shut["allowed"], shut["code"], shut["obstacles"]) == (False, "blocked", ["membership_off"])
    assert writer.post("/api/v1/example/notes", json={"title": "x"}).status_code == 403


def test_the_explanation_says_what_the_gate_does(client: ApiClient, as_user: AsUser) -> None:
    for permissions in ({"example.note.read"}, {"example.note.write"}, set[str]()):
        somebody = as_user(permissions)
        her = membership(client, somebody).json()
        may_read = explained(client, her, "example.note.read")["allowed"]
        assert (somebody.get("/api/v1/example/notes").status_code == 200) == may_read


def test_explanations_are_for_those_who_may_see_members(client: ApiClient, as_user: AsUser) -> None:
    her = membership(client, client).json()
    assert as_user(()).get(f"/api/v1/members/{her['id']}/permissions").status_code == 403


# -- members --------------------------------------------------------------------------------------------------------


def test_members_are_found_by_address_name_and_role(
    client: ApiClient, as_user: AsUser, platform: ThreadedPlatform, other_tenant: TestTenant
) -> None:
    client.post("/api/v1/members", json={"email": "Grace@Navy.example", "name": "Grace", "roles": ["kernel.viewer"]})
    client.post("/api/v1/members", json={"email": "alan@park.example", "name": "Alan"})
    stranger = as_user(platform.permissions, tenant=other_tenant)

    def found(by: ApiClient = client, **query: str) -> list[str]:
        answer = by.get("/api/v1/members", params=query)
        assert answer.status_code == 200, answer.text
        return [member["email"] for member in answer.json()["items"]]

    def where(field: str, op: str, value: str) -> str:
        return f'{{"conditions":[{{"field":"{field}","op":"{op}","value":"{value}"}}]}}'

    assert found(filter=where("email", "ends_with", "@navy.example")) == ["grace@navy.example"]
    assert found(filter=where("name", "eq", "Alan")) == ["alan@park.example"]
    assert found(role="kernel.viewer") == ["grace@navy.example"]
    assert found(role="no.such.role") == []
    assert found(stranger, filter=where("email", "ends_with", "@navy.example")) == []
    assert found(stranger, role="kernel.viewer") == []


def test_one_leaves_an_organisation(client: ApiClient, as_user: AsUser, anonymous: ApiClient) -> None:
    leaving = as_user({"kernel.api_key.own", "example.note.read"})
    body = {"name": "x", "permissions": ["example.note.read"]}
    key = leaving.post("/api/v1/api-keys", json=body).json()["key"]
    assert anonymous.post("/api/v1/members/me/leave", headers={"Authorization": f"Bearer {key}"}).status_code == 403
    assert leaving.post("/api/v1/members/me/leave").status_code == 204
    assert leaving.get("/api/v1/example/notes").status_code == 403
    assert anonymous.get("/api/v1/example/notes", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    assert leaving.get("/api/v1/auth/me").status_code == 403, "the token was for that organisation"


def test_the_last_administrator_does_not_leave(
    platform: ThreadedPlatform, client: ApiClient, as_user: AsUser, tenant: TestTenant
) -> None:
    administrator = as_user(())
    assert administrator.user is not None
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, administrator.user.email, roles=[ADMINISTRATOR]))
    assert administrator.post("/api/v1/members/me/leave").status_code == 409
    platform.run(add(tenant.id, f"second-{tenant.slug}@example.com", roles=[ADMINISTRATOR]))
    assert administrator.post("/api/v1/members/me/leave").status_code == 204
