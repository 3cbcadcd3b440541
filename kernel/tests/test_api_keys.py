"""API keys and service accounts: what they open, and what they must never open."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_kernel.auth.api_keys import digest_of, new_key
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

NOTES = "/api/v1/example/notes"
READ = {"name": "Reader", "permissions": ["example.note.read"]}
OWNER = {"example.note.read", "example.note.write", "kernel.api_key.own"}


def bearer(key: str, **more: str) -> dict[str, str]:
    """The headers of a request with a key or token."""
    return {"Authorization": f"Bearer {key}", **more}


def made(answer: Any) -> Any:
    """What was made."""
    assert answer.status_code == 201, answer.text
    return answer.json()


def service_account(client: ApiClient, name: str = "Robot", *, roles: list[str] | None = None) -> str:
    """The address of a new service account."""
    body = {"name": name, "roles": ["example.writer"] if roles is None else roles}
    return f"/api/v1/service-accounts/{made(client.post('/api/v1/service-accounts', json=body))['id']}"


# -- what a key is good for -----------------------------------------------------------------------------------------


def test_a_key_acts_as_its_owner_within_its_permissions(as_user: AsUser, anonymous: ApiClient) -> None:
    owner = as_user(OWNER)
    answer = owner.post("/api/v1/api-keys", json=READ)
    key = made(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert key["key"].startswith(f"{key['prefix']}_")
    assert (key["owner"], key["owner_id"], key["state"]) == ("user", str(owner.user and owner.user.id), "active")
    assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 200
    beyond = anonymous.post(NOTES, json={"title": "x"}, headers=bearer(key["key"]))
    assert beyond.status_code == 403, "the owner may, the key may not"
    (listed,) = owner.get("/api/v1/api-keys").json()["items"]
    assert "key" not in listed
    assert "digest" not in listed
    assert listed["last_used_at"] is not None
    assert listed["last_used_from"] == "127.0.0.1"
    assert listed["version"] == key["version"], "being used is no change"


def test_only_a_digest_is_kept(platform: ThreadedPlatform, as_user: AsUser) -> None:
    key = made(as_user(OWNER).post("/api/v1/api-keys", json=READ))

    async def stored() -> ApiKey:
        async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as session:
            return (await session.exec(select(ApiKey).where(col(ApiKey.prefix) == key["prefix"]))).one()

    row = platform.run(stored())
    assert row.digest == digest_of(key["key"])
    assert key["key"] not in row.model_dump_json()


def test_its_use_is_written_sparsely(platform: ThreadedPlatform, as_user: AsUser, anonymous: ApiClient) -> None:
    owner = as_user(OWNER)
    key = made(owner.post("/api/v1/api-keys", json=READ))
    place = f"/api/v1/api-keys/{key['id']}"
    uses = []
    for _ in range(3):
        assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 200
        uses.append(owner.get(place).json()["last_used_at"])
    assert uses[0] == uses[1] == uses[2]

    async def long_ago() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            row = (await session.exec(select(ApiKey).where(col(ApiKey.prefix) == key["prefix"]))).one()
            row.last_used_at = datetime.now(UTC) - timedelta(hours=1)

    platform.run(long_ago())
    platform.platform.auth.keys.invalidate()
    assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 200
    assert owner.get(place).json()["last_used_at"] > uses[0]


def test_a_key_loses_what_its_owner_loses(client: ApiClient, as_user: AsUser, anonymous: ApiClient) -> None:
    role = made(
        client.post("/api/v1/roles", json={"key": "a.reader", "title": "R", "permissions": READ["permissions"]})
    )
    account = service_account(client, roles=["a.reader"])
    key = made(client.post(f"{account}/api-keys", json=READ))["key"]
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 200
    client.patch(f"/api/v1/roles/{role['id']}", json={"permissions": []}, headers={"If-Match": '"1"'})
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 403
    client.patch(account, json={"active": False}, headers={"If-Match": client.get(account).headers["etag"]})
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 401


def test_a_member_who_is_removed_leaves_no_key(client: ApiClient, as_user: AsUser, anonymous: ApiClient) -> None:
    owner = as_user(OWNER)
    assert owner.user is not None
    key = made(owner.post("/api/v1/api-keys", json=READ))["key"]
    members = client.get("/api/v1/members", params={"limit": 200}).json()["items"]
    (member,) = (m for m in members if m["user_id"] == str(owner.user.id))
    gone = client.delete(f"/api/v1/members/{member['id']}", headers={"If-Match": f'"{member["version"]}"'})
    assert gone.status_code == 204, gone.text
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 401
    again = {"email": owner.user.email, "roles": ["example.writer"]}
    assert client.post("/api/v1/members", json=again).status_code == 201
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 401


# -- its life -------------------------------------------------------------------------------------------------------


def test_a_revoked_a_deleted_and_an_expired_key_are_refused_alike(
    platform: ThreadedPlatform, as_user: AsUser, anonymous: ApiClient
) -> None:
    owner = as_user(OWNER)
    keys = [made(owner.post("/api/v1/api-keys", json=READ)) for _ in range(3)]
    for key in keys:
        assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 200
    revoked = owner.post(f"/api/v1/api-keys/{keys[0]['id']}/revoke")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert owner.post(f"/api/v1/api-keys/{keys[0]['id']}/revoke").json() == revoked.json()
    assert owner.delete(f"/api/v1/api-keys/{keys[1]['id']}", headers={"If-Match": '"1"'}).status_code == 204

    async def expire() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            row = (await session.exec(select(ApiKey).where(col(ApiKey.prefix) == keys[2]["prefix"]))).one()
            row.expires_at = datetime.now(UTC) - timedelta(seconds=1)

    platform.run(expire())
    platform.platform.auth.keys.invalidate()
    strangers = [new_key().secret, keys[0]["key"][:-1] + "x", "rek_", f"rek_{'a' * 5000}"]
    answers = [anonymous.get(NOTES, headers=bearer(key)) for key in [*(k["key"] for k in keys), *strangers]]
    told = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert told == [told[0]] * len(told)
    assert owner.get(f"/api/v1/api-keys/{keys[2]['id']}").json()["state"] == "expired"


def test_changing_over_gives_a_new_key_and_ends_the_old_one(as_user: AsUser, anonymous: ApiClient) -> None:
    owner = as_user(OWNER)
    first = made(owner.post("/api/v1/api-keys", json=READ))
    second = made(owner.post(f"/api/v1/api-keys/{first['id']}/rotate", json={"overlap_minutes": 60}))
    assert second["rotated_from_id"] == first["id"]
    assert second["permissions"] == first["permissions"]
    for key in (first, second):
        assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 200
    third = made(owner.post(f"/api/v1/api-keys/{second['id']}/rotate", json={}))
    assert anonymous.get(NOTES, headers=bearer(second["key"])).status_code == 401
    assert anonymous.get(NOTES, headers=bearer(third["key"])).status_code == 200
    assert owner.post(f"/api/v1/api-keys/{second['id']}/rotate", json={}).status_code == 409


def test_a_key_tells_about_itself_and_ends_itself(as_user: AsUser, anonymous: ApiClient) -> None:
    owner = as_user({"kernel.api_key.own", "example.note.read"})
    key = made(owner.post("/api/v1/api-keys", json=READ))
    shown = anonymous.get("/api/v1/api-keys/current", headers=bearer(key["key"])).json()
    assert (shown["id"], shown["allowed"]) == (key["id"], ["example.note.read"])
    assert owner.get("/api/v1/api-keys/current").status_code == 404
    revoked = anonymous.post("/api/v1/api-keys/current/revoke", headers=bearer(key["key"]))
    assert revoked.json()["state"] == "revoked"
    assert anonymous.get("/api/v1/api-keys/current", headers=bearer(key["key"])).status_code == 401


def test_keys_end(as_user: AsUser) -> None:
    owner = as_user(OWNER)
    key = made(owner.post("/api/v1/api-keys", json=READ))
    lasts = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < lasts <= timedelta(days=90)
    now = datetime.now(UTC)
    for wrong in (now - timedelta(days=1), now + timedelta(days=367)):
        answer = owner.post("/api/v1/api-keys", json={**READ, "expires_at": wrong.isoformat()})
        assert [error["field"] for error in answer.json()["errors"]] == ["expires_at"]
    assert owner.post("/api/v1/api-keys", json={**READ, "expires_at": "2099-01-01T00:00:00"}).status_code == 422


def test_a_key_is_renamed_and_nothing_else(as_user: AsUser) -> None:
    owner = as_user(OWNER)
    key = made(owner.post("/api/v1/api-keys", json=READ))
    place, headers = f"/api/v1/api-keys/{key['id']}", {"If-Match": '"1"'}
    assert owner.patch(place, json={"name": "Nightly"}, headers=headers).json()["name"] == "Nightly"
    for more in ({"permissions": ["example.note.write"]}, {"expires_at": "2099-01-01T00:00:00Z"}, {"digest": "0" * 64}):
        assert owner.patch(place, json=more, headers={"If-Match": '"2"'}).status_code == 422
    assert owner.patch(place, json={"name": "x"}, headers=headers).status_code == 412


# -- attacks --------------------------------------------------------------------------------------------------------


def test_a_key_names_nothing_that_its_maker_does_not_hold(client: ApiClient, as_user: AsUser) -> None:
    owner = as_user({"kernel.api_key.own", "example.note.read"})
    beyond = owner.post("/api/v1/api-keys", json={"name": "x", "permissions": ["example.note.write"]})
    assert beyond.status_code == 403
    assert beyond.json()["missing_permissions"] == ["example.note.write"]
    # A service account that may more than the one who looks after it does not lend it to them.
    account = service_account(client)
    keeper = as_user({"kernel.service_account.read", "kernel.service_account.write", "example.note.read"})
    writes = {"name": "x", "permissions": ["example.note.write"]}
    assert keeper.post(f"{account}/api-keys", json=writes).status_code == 403
    key = made(client.post(f"{account}/api-keys", json=writes))
    assert keeper.post(f"{account}/api-keys/{key['id']}/rotate", json={}).status_code == 403
    assert keeper.post(f"{account}/api-keys", json=READ).status_code == 201
    headers = {"If-Match": client.get(account).headers["etag"]}
    assert keeper.patch(account, json={"roles": []}, headers=headers).status_code == 403
    assert keeper.delete(account, headers=headers).status_code == 403
    robot = {"name": "Mine", "roles": ["example.writer"]}
    assert keeper.post("/api/v1/service-accounts", json=robot).status_code == 403
    # Ending one is always possible: it may have leaked.
    assert keeper.post(f"{account}/api-keys/{key['id']}/revoke").status_code == 200


def test_a_key_makes_no_key_that_outlives_or_exceeds_it(client: ApiClient, anonymous: ApiClient) -> None:
    role = {"key": "a.keeper", "title": "K"}
    scope = ["kernel.service_account.write", "kernel.service_account.read", "kernel.api_key.own", "example.note.read"]
    client.post("/api/v1/roles", json={**role, "permissions": [*scope, "example.note.write"]})
    account = service_account(client, roles=["a.keeper"])
    soon = datetime.now(UTC) + timedelta(days=2)
    key = made(
        client.post(f"{account}/api-keys", json={"name": "k", "permissions": scope, "expires_at": soon.isoformat()})
    )
    headers = bearer(key["key"])
    wider = {"name": "x", "permissions": ["example.note.write"]}
    assert anonymous.post(f"{account}/api-keys", json=wider, headers=headers).status_code == 403
    later = {**READ, "expires_at": (soon + timedelta(days=1)).isoformat()}
    assert anonymous.post(f"{account}/api-keys", json=later, headers=headers).status_code == 422
    child = made(anonymous.post(f"{account}/api-keys", json=READ, headers=headers))
    assert child["expires_at"] == key["expires_at"]
    heir = made(anonymous.post(f"{account}/api-keys/{key['id']}/rotate", json={}, headers=headers))
    assert heir["expires_at"] <= key["expires_at"]


def test_a_personal_key_manages_no_keys_and_gets_no_token(
    as_user: AsUser, anonymous: ApiClient, tenant: TestTenant
) -> None:
    owner = as_user(OWNER)
    key = made(owner.post("/api/v1/api-keys", json={"name": "k", "permissions": sorted(OWNER)}))
    headers = bearer(key["key"])
    place = f"/api/v1/api-keys/{key['id']}"
    assert anonymous.post("/api/v1/api-keys", json=READ, headers=headers).status_code == 403
    assert anonymous.get("/api/v1/api-keys", headers=headers).status_code == 403
    assert anonymous.post(f"{place}/rotate", json={}, headers=headers).status_code == 403
    assert anonymous.delete(place, headers={**headers, "If-Match": '"1"'}).status_code == 403
    token = anonymous.post("/api/v1/auth/token", json={"tenant": tenant.slug}, headers=headers)
    assert token.status_code == 403, "an access token would not be bound to the key's permissions"


def test_a_route_without_a_permission_is_closed_to_keys(
    platform: ThreadedPlatform, as_user: AsUser, anonymous: ApiClient
) -> None:
    key = made(as_user(OWNER).post("/api/v1/api-keys", json=READ))["key"]
    routes = [
        (method, path)
        for path, operations in platform.openapi["paths"].items()
        for method, operation in operations.items()
        if "x-permission" not in operation
        and "security" in operation
        and not path.startswith("/api/v1/api-keys/current")
    ]
    assert ("post", "/api/v1/auth/token") in routes
    for method, path in routes:
        answer = anonymous.request(method, path, headers=bearer(key, **{"If-Match": '"1"'}))
        assert answer.status_code == 403, (method, path)


def test_credentials_are_not_taken_for_one_another(
    platform: ThreadedPlatform, as_user: AsUser, anonymous: ApiClient
) -> None:
    owner = as_user(OWNER)
    key = made(owner.post("/api/v1/api-keys", json=READ))["key"]
    inngest = platform.platform.settings.inngest
    assert inngest.signing_key is not None
    assert inngest.event_key is not None
    strangers = {
        "Inngest's signing key": inngest.signing_key.get_secret_value(),
        "Inngest's event key": inngest.event_key.get_secret_value(),
        "the digest": f"rek_{digest_of(key)}",
        "the id of nobody": "rek_00000000_",
        "an access token marked as a key": f"rek_{owner.user.token if owner.user else ''}",
        "a key in upper case": key.upper(),
        "half a key": key[: len(key) // 2],
    }
    for what, token in strangers.items():
        assert anonymous.get(NOTES, headers=bearer(token)).status_code == 401, what
    for scheme in ("Basic", "ApiKey", "Token"):
        assert anonymous.get(NOTES, headers={"Authorization": f"{scheme} {key}"}).status_code == 401
    assert anonymous.get(NOTES, params={"api_key": key}).status_code == 401
    call = anonymous.post("/api/inngest", headers=bearer(key, **{"X-Inngest-Signature": key}), json={})
    assert call.status_code == 401


def test_a_key_is_good_in_its_tenant_only(
    platform: ThreadedPlatform, as_user: AsUser, anonymous: ApiClient, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    owner = as_user(OWNER)
    assert owner.user is not None
    platform.run(platform.platform.provisioning.add_member(other_tenant.id, owner.user.email, roles=["example.writer"]))
    key = made(owner.post("/api/v1/api-keys", json=READ))["key"]
    assert anonymous.get(NOTES, headers=bearer(key, **{"X-Tenant": tenant.slug})).status_code == 200
    for slug in (other_tenant.slug, "nowhere"):
        assert anonymous.get(NOTES, headers=bearer(key, **{"X-Tenant": slug})).status_code == 403


def test_keys_and_accounts_of_others_are_out_of_reach(
    platform: ThreadedPlatform, client: ApiClient, as_user: AsUser, other_tenant: TestTenant
) -> None:
    account = service_account(client)
    robots = made(client.post(f"{account}/api-keys", json=READ))
    mine = made(client.post("/api/v1/api-keys", json=READ))
    places = [
        f"/api/v1/api-keys/{mine['id']}",
        f"/api/v1/tenant/api-keys/{mine['id']}",
        f"/api/v1/tenant/api-keys/{robots['id']}",
        account,
        f"{account}/api-keys/{robots['id']}",
    ]
    stranger, colleague = as_user(platform.permissions, tenant=other_tenant), as_user(OWNER)
    for place in places:
        assert stranger.get(place).status_code == 404, place
        assert stranger.post(f"{place}/revoke").status_code in {404, 405}, place
    assert stranger.get(f"{account}/api-keys").status_code == 404
    assert stranger.post(f"{account}/api-keys", json=READ).status_code == 404
    assert stranger.get("/api/v1/tenant/api-keys").json()["items"] == []
    # In the same tenant, another's key is not one's own, nor is it a service account's.
    own = f"/api/v1/api-keys/{mine['id']}"
    assert colleague.get(own).status_code == 404
    assert colleague.post(f"{own}/rotate", json={}).status_code == 404
    assert client.post(f"/api/v1/api-keys/{robots['id']}/rotate", json={}).status_code == 404
    assert client.post(f"{account}/api-keys/{mine['id']}/rotate", json={}).status_code == 404


def test_a_repeated_request_does_not_show_a_key_again(as_user: AsUser) -> None:
    owner = as_user(OWNER)
    first, second = (owner.post("/api/v1/api-keys", json=READ, headers={"Idempotency-Key": "same"}) for _ in range(2))
    assert made(first)["key"] != made(second)["key"]


# -- looking after them ---------------------------------------------------------------------------------------------


def test_everybodys_keys_are_seen_and_ended_by_those_who_look_after_them(
    client: ApiClient, as_user: AsUser, anonymous: ApiClient
) -> None:
    owner, manager = as_user(OWNER), as_user({"kernel.api_key.manage"})
    key = made(owner.post("/api/v1/api-keys", json=READ))
    robot = made(client.post(f"{service_account(client)}/api-keys", json=READ))
    listed = manager.get("/api/v1/tenant/api-keys", params={"sort": "name"}).json()["items"]
    assert {(item["id"], item["owner"], item["owner_name"]) for item in listed} == {
        (key["id"], "user", key["owner_name"]),
        (robot["id"], "service_account", "Robot"),
    }
    assert manager.get("/api/v1/service-accounts").status_code == 403
    assert manager.post(f"/api/v1/tenant/api-keys/{key['id']}/revoke").json()["state"] == "revoked"
    assert anonymous.get(NOTES, headers=bearer(key["key"])).status_code == 401


def test_what_a_key_may_be_used_for_is_explained(client: ApiClient, as_user: AsUser) -> None:
    key = made(as_user(OWNER).post("/api/v1/api-keys", json=READ))
    place = f"/api/v1/tenant/api-keys/{key['id']}"

    def why(permission: str) -> tuple[bool, str]:
        answer = client.get(f"{place}/permissions", params={"permission": permission}).json()
        (one,) = answer["permissions"]
        return one["allowed"], one["code"]

    assert why("example.note.read") == (True, "granted")
    assert why("example.note.write") == (False, "not_in_key")
    assert why("kernel.tenant.write") == (False, "no_role")
    client.post(f"{place}/revoke")
    assert why("example.note.read") == (False, "blocked")


def test_a_service_account_lives(client: ApiClient, anonymous: ApiClient) -> None:
    account = service_account(client)
    shown = client.get(account)
    assert (shown.json()["name"], shown.json()["roles"]) == ("Robot", ["example.writer"])
    assert client.post("/api/v1/service-accounts", json={"name": "Robot"}).status_code == 409
    key = made(client.post(f"{account}/api-keys", json=READ))["key"]
    beyond = client.post(f"{account}/api-keys", json={"name": "x", "permissions": ["kernel.run.read"]})
    assert beyond.json()["errors"][0]["code"] == "not_held"
    written = client.get(f"{account}/permissions", params={"permission": "example.note.write"}).json()
    assert written["permissions"][0]["granted_by"][0]["key"] == "example.writer"
    renamed = client.patch(account, json={"name": "Crane", "roles": []}, headers={"If-Match": shown.headers["etag"]})
    assert (renamed.json()["name"], renamed.json()["roles"]) == ("Crane", [])
    assert client.patch(account, json={}, headers={"If-Match": shown.headers["etag"]}).status_code == 412
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 403
    (listed,) = client.get("/api/v1/service-accounts").json()["items"]
    assert listed["name"] == "Crane"
    assert client.delete(account, headers={"If-Match": renamed.headers["etag"]}).status_code == 204
    assert anonymous.get(NOTES, headers=bearer(key)).status_code == 401
    assert client.get(account).status_code == 404


def test_what_was_found_for_one_kind_of_principal_says_nothing_to_another(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient
) -> None:
    account = UUID(client.post("/api/v1/service-accounts", json={"name": "Robot"}).json()["id"])
    grants = platform.platform.auth.grants

    async def ask() -> tuple[bool, bool, bool]:
        service = await grants.of_service_account(account, tenant.id)
        user = await grants.get(account, tenant.id)
        anybody = await grants.of_anybody(account, tenant.id)
        return service is not None, user is not None, anybody is not None and anybody.service

    assert platform.run(ask()) == (True, False, True)


def test_a_role_that_a_service_account_holds_stays(client: ApiClient) -> None:
    role = made(client.post("/api/v1/roles", json={"key": "a.robots", "title": "Robots"}))
    service_account(client, roles=["a.robots"])
    assert client.delete(f"/api/v1/roles/{role['id']}", headers={"If-Match": '"1"'}).status_code == 409


def test_a_note_of_a_service_account_is_written(client: ApiClient, anonymous: ApiClient) -> None:
    body = {"name": "Writer", "permissions": ["example.note.read", "example.note.write"]}
    key = made(client.post(f"{service_account(client)}/api-keys", json=body))["key"]
    once = bearer(key, **{"Idempotency-Key": "one"})
    first, again = (anonymous.post(NOTES, json={"title": "By a robot"}, headers=once) for _ in range(2))
    assert made(first)["id"] == made(again)["id"]


def test_keys_that_ended_long_ago_are_forgotten(platform: ThreadedPlatform, as_user: AsUser) -> None:
    owner = as_user(OWNER)
    old, new = (made(owner.post("/api/v1/api-keys", json=READ)) for _ in range(2))

    async def long_ago() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            row = (await session.exec(select(ApiKey).where(col(ApiKey.prefix) == old["prefix"]))).one()
            row.expires_at = datetime.now(UTC) - timedelta(days=91)
        await platform.platform.auth.keys.prune()

    platform.run(long_ago())
    assert [key["id"] for key in owner.get("/api/v1/api-keys").json()["items"]] == [new["id"]]
