"""Who gets in, and what they may do."""

import asyncio
import time
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

LOGIN = "/api/v1/auth/login"
PASSWORD = "correct horse battery"


@pytest.fixture
def email(platform: ThreadedPlatform, tenant: TestTenant) -> str:
    """The address of an administrator of `tenant` who has a password."""
    address = f"ada-{tenant.slug}@example.com"
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, address, password=PASSWORD, roles=[ADMINISTRATOR]))
    return address


def login(client: ApiClient, email: str, password: str = PASSWORD, **more: Any) -> Any:
    """The answer to a sign-in."""
    return client.post(LOGIN, json={"email": email, "password": password, **more})


@pytest.mark.database
def test_a_password_gives_a_token_for_the_tenant(anonymous: ApiClient, email: str, tenant: TestTenant) -> None:
    answer = login(anonymous, f"  {email.upper()} ")
    assert answer.status_code == 200, answer.text
    assert answer.json()["tenant"]["slug"] == tenant.slug
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    me = anonymous.get("/api/v1/auth/me", headers=headers).json()
    assert me["user"]["email"] == email
    assert "example.note.write" in me["permissions"]
    assert anonymous.post("/api/v1/example/notes", json={"title": "x"}, headers=headers).status_code == 201


def test_a_wrong_password_and_an_unknown_address_look_alike(anonymous: ApiClient, email: str) -> None:
    wrong, unknown = login(anonymous, email, "wrong password"), login(anonymous, "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 401
    told = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in (wrong, unknown)]
    assert told[0] == told[1]


def test_too_many_wrong_passwords_lock_for_a_while(anonymous: ApiClient, email: str) -> None:
    for _ in range(10):
        assert login(anonymous, email, "wrong password").status_code == 401
    locked = login(anonymous, email)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 800


def forged(claims: dict[str, Any], key: Any, algorithm: str) -> str:
    """A token that somebody else made."""
    now = int(time.time())
    base = {"iss": "riveredge", "aud": "riveredge", "exp": now + 600, "iat": now}
    return jwt.encode({**base, **claims}, key, algorithm=algorithm, headers={"typ": "at+jwt"})


def test_forged_and_old_tokens_are_refused(anonymous: ApiClient, platform: ThreadedPlatform, client: ApiClient) -> None:
    assert client.user is not None
    claims = jwt.decode(client.user.token, options={"verify_signature": False})
    del claims["exp"], claims["iat"]
    ours = platform.platform.auth.tokens._key
    good = {"Authorization": f"Bearer {forged(claims, ours, 'EdDSA')}"}
    assert anonymous.get("/api/v1/example/notes", headers=good).status_code == 200, "else this tests nothing"
    tokens = {
        "another key": forged(claims, Ed25519PrivateKey.generate(), "EdDSA"),
        "no signature": forged(claims, None, "none"),
        "a shared secret": forged(claims, "x" * 32, "HS256"),
        "expired": forged({**claims, "exp": int(time.time()) - 1}, ours, "EdDSA"),
        "of another audience": forged({**claims, "aud": "other"}, ours, "EdDSA"),
        "of nobody": forged({**claims, "sub": "x"}, ours, "EdDSA"),
        "of an unknown user": forged({**claims, "sub": str(UUID(int=1))}, ours, "EdDSA"),
        "cut": client.user.token[:-4],
        "no token": "x",
    }
    for what, token in tokens.items():
        answer = anonymous.get("/api/v1/example/notes", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, what
        assert answer.headers["www-authenticate"] == "Bearer"
    basic = anonymous.get("/api/v1/example/notes", headers={"Authorization": "Basic YTpi"})
    assert basic.status_code == 401


@pytest.mark.database
def test_a_token_is_good_for_one_s_own_tenants_only(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    token = login(anonymous, email).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    foreign = anonymous.get("/api/v1/example/notes", headers={**headers, "X-Tenant": other_tenant.slug})
    unknown = anonymous.get("/api/v1/example/notes", headers={**headers, "X-Tenant": "nowhere"})
    assert foreign.status_code == unknown.status_code == 403
    assert anonymous.post("/api/v1/auth/token", json={"tenant": other_tenant.slug}, headers=headers).status_code == 403
    platform.run(platform.platform.provisioning.add_member(other_tenant.id, email, roles=["example.writer"]))
    both = login(anonymous, email).json()
    assert both["tenant"] is None
    assert {one["slug"] for one in both["tenants"]} == {tenant.slug, other_tenant.slug}
    undecided = {"Authorization": f"Bearer {both['access_token']}"}
    assert anonymous.get("/api/v1/example/notes", headers=undecided).status_code == 403
    chosen = anonymous.post("/api/v1/auth/token", json={"tenant": other_tenant.slug}, headers=undecided).json()
    headers = {"Authorization": f"Bearer {chosen['access_token']}"}
    assert anonymous.get("/api/v1/example/notes", headers=headers).status_code == 200
    assert anonymous.get("/api/v1/runs", headers=headers).status_code == 403


@pytest.mark.database
def test_members_and_roles_are_managed(client: ApiClient, as_user: AsUser) -> None:
    role = {"key": "custom.reader", "title": "Reader", "permissions": ["example.note.read"]}
    made = client.post("/api/v1/roles", json=role)
    assert made.status_code == 201, made.text
    bad = client.post("/api/v1/roles", json={**role, "key": "custom.bad", "permissions": ["example.note.fly"]})
    assert [error["field"] for error in bad.json()["errors"]] == ["permissions.0"]
    member = client.post("/api/v1/members", json={"email": "Bob@Example.com", "roles": ["custom.reader"]})
    if member.status_code == 409:
        pytest.fail(member.text)
    assert member.json()["email"] == "bob@example.com"
    assert member.json()["roles"] == ["custom.reader"]
    place = f"/api/v1/members/{member.json()['id']}"
    held = client.delete(f"/api/v1/roles/{made.json()['id']}", headers={"If-Match": '"1"'})
    assert held.status_code == 409
    changed = client.patch(place, json={"roles": ["kernel.viewer"]}, headers={"If-Match": '"1"'})
    assert changed.json()["roles"] == ["kernel.viewer"]
    stale = client.patch(place, json={"roles": []}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412, "the roles are part of what the version counts"


def test_the_last_administrator_stays(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, tenant: TestTenant
) -> None:
    headers = {"Authorization": f"Bearer {login(anonymous, email).json()['access_token']}", "If-Match": '"1"'}
    (me,) = anonymous.get("/api/v1/members", headers=headers).json()["items"]
    place = f"/api/v1/members/{me['id']}"
    assert anonymous.patch(place, json={"active": False}, headers=headers).status_code == 409
    assert anonymous.delete(place, headers=headers).status_code == 409
    second = anonymous.post(
        "/api/v1/members", json={"email": f"b-{tenant.slug}@example.com", "roles": [ADMINISTRATOR]}, headers=headers
    )
    assert second.status_code == 201, second.text
    assert anonymous.delete(place, headers=headers).status_code == 204
    assert anonymous.get("/api/v1/members", headers=headers).status_code == 403


def test_a_suspended_tenant_is_shut(platform: ThreadedPlatform, client: ApiClient, tenant: TestTenant) -> None:
    from sqlmodel import col, select

    from riveredge_kernel.tenancy.models import Tenant

    async def suspend() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            (await session.exec(select(Tenant).where(col(Tenant.id) == tenant.id))).one().status = "suspended"

    platform.run(suspend())
    deadline = time.monotonic() + 10
    while client.get("/api/v1/example/notes").status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_navigation_is_what_one_may_go_to(client: ApiClient, as_user: AsUser) -> None:
    everything = ["messaging.inbox", "approvals.tasks", "scheduling.tasks", "directory.people", "example.notes"]
    assert [entry["id"] for entry in client.get("/api/v1/navigation").json()] == everything
    assert as_user(()).get("/api/v1/navigation").json() == []
    client.put("/api/v1/plugins/messaging", json={"enabled": False})
    assert [entry["id"] for entry in client.get("/api/v1/navigation").json()] == everything[1:]


@pytest.mark.database
def test_simultaneous_tries_all_count(platform: ThreadedPlatform, email: str) -> None:
    async def tries() -> list[int]:
        async with httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
            bodies = [{"email": email, "password": f"wrong password {number}"} for number in range(24)]
            answers = await asyncio.gather(*(http.post(LOGIN, json=body) for body in bodies))
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(tries())) == [401] * 10 + [429] * 14


@pytest.mark.database
def test_administrators_do_not_remove_each_other_at_once(
    platform: ThreadedPlatform, client: ApiClient, tenant: TestTenant
) -> None:
    add = platform.platform.provisioning.add_member
    for attempt in range(5):
        pair = [
            platform.run(add(tenant.id, f"{n}-{attempt}-{tenant.slug}@example.com", roles=[ADMINISTRATOR]))
            for n in "ab"
        ]
        places = [f"/api/v1/members/{member.membership_id}" for member in pair]
        for found in client.get("/api/v1/members", params={"limit": 200}).json()["items"]:
            if ADMINISTRATOR in found["roles"] and f"/api/v1/members/{found['id']}" not in places and found["active"]:
                headers = {"If-Match": f'"{found["version"]}"'}
                put_out = client.patch(f"/api/v1/members/{found['id']}", json={"active": False}, headers=headers)
                assert put_out.status_code == 200, put_out.text

        async def both(targets: list[str] = places) -> list[int]:
            async with httpx2.AsyncClient(base_url=platform.base_url, headers=client.headers, timeout=30) as http:
                seen = {"If-Match": '"1"'}
                answers = await asyncio.gather(*(http.patch(t, json={"active": False}, headers=seen) for t in targets))
                return [answer.status_code for answer in answers]

        assert sorted(asyncio.run(both())) == [200, 409]


def test_tokens_are_not_kept_for_repeats(client: ApiClient, tenant: TestTenant) -> None:
    for _ in range(2):
        answer = client.post("/api/v1/auth/token", json={"tenant": tenant.slug}, headers={"Idempotency-Key": "same"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert "idempotency-replayed" not in answer.headers
