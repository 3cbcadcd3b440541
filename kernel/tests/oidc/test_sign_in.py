"""Signing in with an organisation's identity provider: how it goes, who is let in, and how far it reaches."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant

from .browser import NOTES, PROVIDERS, SignIn, bearer
from .provider import OidcProvider, rsa_key

pytestmark = pytest.mark.database


# -- how it goes ----------------------------------------------------------------------------------------------------


def test_a_member_signs_in(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider, tenant: TestTenant
) -> None:
    trust()
    answer = sign_in.whole()
    headers = bearer(answer)
    assert answer.json()["tenant"]["slug"] == tenant.slug
    assert answer.json()["user"]["email"] == member
    assert sign_in.client.post(NOTES, json={"title": "x"}, headers=headers).status_code == 201
    refreshed = sign_in.client.post("/api/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
    assert refreshed.json()["tenant"]["slug"] == tenant.slug
    (form,) = idp.seen
    assert len(form["code_verifier"]) >= 43


def test_whoever_is_known_by_subject_may_change_their_address(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    first = sign_in.whole().json()["user"]["id"]
    idp.person |= {"email": "married@elsewhere.example", "email_verified": False}
    assert sign_in.whole().json()["user"]["id"] == first


def test_the_claims_that_the_token_lacks_are_asked_for(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    idp.userinfo = dict(idp.person)
    idp.person = {"sub": idp.person["sub"]}
    trust()
    bearer(sign_in.whole())


def test_userinfo_about_somebody_else_is_not_taken(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    idp.userinfo = {**idp.person, "sub": "somebody else"}
    idp.person = {"sub": idp.person["sub"]}
    trust()
    assert sign_in.whole() == "no_email"


def test_a_provider_that_changes_its_keys_is_still_understood(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    bearer(sign_in.whole())
    idp.key = rsa_key("second")
    bearer(sign_in.whole())


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], None], ids=str)
def test_the_platform_authenticates_as_the_provider_wants(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider, methods: list[str] | None
) -> None:
    trust()
    idp.metadata = {"token_endpoint_auth_methods_supported": methods}
    bearer(sign_in.whole())
    assert ("client_secret" in idp.seen[0]) == (methods == ["client_secret_post"])


def test_the_ways_to_sign_in_are_shown_to_anybody(
    sign_in: SignIn, trust: Callable[..., Any], client: ApiClient, tenant: TestTenant
) -> None:
    made = trust()
    options = "/api/v1/auth/oidc/providers"
    assert sign_in.client.get(options, params={"tenant": tenant.slug}).json() == [{"key": "acme", "title": "Acme"}]
    assert sign_in.client.get(options, params={"tenant": "nowhere"}).json() == []
    client.patch(f"{PROVIDERS}/{made['id']}", json={"active": False}, headers={"If-Match": '"1"'})
    assert sign_in.client.get(options, params={"tenant": tenant.slug}).json() == []
    unlike = [sign_in.start(), SignIn(sign_in.client, "nowhere").start()]
    assert {answer.status_code for answer in unlike} == {404}


# -- who is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "more", "error"),
    [
        ({"email_verified": False}, {}, "email_not_verified"),
        ({"email_verified": None}, {}, "email_not_verified"),
        ({"email_verified": "false"}, {}, "email_not_verified"),
        ({"email_verified": 1}, {}, "email_not_verified"),
        ({"email": None}, {}, "no_email"),
        ({"email": ["a@example.com"]}, {}, "no_email"),
        ({"email": "x\r\n@example.com"}, {}, "no_email"),
        ({}, {"link_by_email": False}, "not_linked"),
        ({}, {"email_domains": ["other.example"]}, "email_domain"),
        ({"email": "stranger@example.com"}, {}, "not_a_member"),
        ({"sub": ""}, {}, "token_refused"),
        ({"sub": 7}, {}, "token_refused"),
        ({"sub": "x" * 256}, {}, "token_refused"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_address_alone_links_nobody(
    sign_in: SignIn,
    trust: Callable[..., Any],
    member: str,
    idp: OidcProvider,
    *,
    said: dict[str, Any],
    more: dict[str, Any],
    error: str,
) -> None:
    trust(**more)
    idp.claims = said
    assert sign_in.whole() == error


def test_an_organisation_may_vouch_for_its_providers_addresses(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust(trusts_email=True, email_domains=["example.com"])
    idp.claims = {"email_verified": None}
    bearer(sign_in.whole())


def test_an_account_is_linked_to_one_subject(
    sign_in: SignIn, trust: Callable[..., Any], client: ApiClient, member: str, idp: OidcProvider
) -> None:
    made = trust()
    bearer(sign_in.whole())
    idp.claims = {"sub": "somebody who has got the address later"}
    assert sign_in.whole() == "linked_to_another"
    place = f"{PROVIDERS}/{made['id']}/identities"
    (identity,) = client.get(place).json()["items"]
    assert identity["email"] == member
    gone = client.delete(f"{place}/{identity['id']}", headers={"If-Match": f'"{identity["version"]}"'})
    assert gone.status_code == 204, gone.text
    bearer(sign_in.whole())


def test_somebody_new_is_made_a_member_only_where_that_is_wanted(
    sign_in: SignIn, trust: Callable[..., Any], idp: OidcProvider, platform: ThreadedPlatform
) -> None:
    trust(provisions=True, default_roles=["example.writer"])
    email = f"new-{secrets.token_hex(6)}@example.com"
    idp.person = {"sub": "new", "email": email, "email_verified": True, "name": "Newton"}
    answer = sign_in.whole()
    assert answer.json()["user"]["name"] == "Newton"
    assert sign_in.client.get(NOTES, headers=bearer(answer)).status_code == 200

    async def password_of() -> str | None:
        async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as session:
            return (await session.exec(select(User).where(col(User.email) == email))).one().password_hash

    assert platform.run(password_of()) is None


def test_whoever_was_shut_out_stays_out(
    sign_in: SignIn, trust: Callable[..., Any], client: ApiClient, member: str, idp: OidcProvider
) -> None:
    trust(provisions=True)
    user_id = sign_in.whole().json()["user"]["id"]
    (row,) = (m for m in client.get("/api/v1/members").json()["items"] if m["user_id"] == user_id)
    place = f"/api/v1/members/{row['id']}"
    shut = client.patch(place, json={"active": False}, headers={"If-Match": f'"{row["version"]}"'})
    assert shut.status_code == 200
    assert sign_in.whole() == "not_a_member"
    idp.claims = {"sub": "the same person again"}
    assert sign_in.whole() in {"linked_to_another", "not_a_member"}


# -- groups ---------------------------------------------------------------------------------------------------------


def test_an_account_that_waits_for_the_owner_of_an_address_gets_nothing(
    sign_in: SignIn, trust: Callable[..., Any], idp: OidcProvider, platform: ThreadedPlatform, other_tenant: TestTenant
) -> None:
    """Pre-hijacking: who made an account under a victim's address elsewhere would be let in with the victim."""
    trust(provisions=True, default_roles=["example.writer"])
    email = f"victim-{secrets.token_hex(6)}@example.com"
    add = platform.platform.provisioning.add_member
    waiting = platform.run(add(other_tenant.id, email, password="the attacker knows it"))

    async def unproven() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            (await session.exec(select(User).where(col(User.id) == waiting.user_id))).one().email_verified_at = None

    platform.run(unproven())
    idp.person = {"sub": "victim", "email": email, "email_verified": True}
    assert sign_in.whole() == "account_not_verified"


def test_roles_follow_groups(
    sign_in: SignIn, trust: Callable[..., Any], client: ApiClient, member: str, idp: OidcProvider
) -> None:
    trust(
        groups_claim="realm_access.roles",
        group_roles=[{"group": "auditors", "role": "kernel.viewer"}, {"group": "admins", "role": ADMINISTRATOR}],
    )

    def roles(*groups: str) -> list[str]:
        idp.claims = {"realm_access": {"roles": list(groups)}}
        user_id = sign_in.whole().json()["user"]["id"]
        (row,) = (m for m in client.get("/api/v1/members").json()["items"] if m["user_id"] == user_id)
        return sorted(row["roles"])

    assert roles("auditors") == ["example.writer", "kernel.viewer"], "roles that no group governs are left alone"
    assert roles("admins") == ["example.writer", ADMINISTRATOR]
    assert roles() == ["example.writer", ADMINISTRATOR], "the last administrator stays one"
    second = {"email": "second@example.com", "roles": [ADMINISTRATOR]}
    assert client.post("/api/v1/members", json=second).status_code == 201
    assert roles("nobody knows this group") == ["example.writer"]


# -- one organisation's provider counts there only -------------------------------------------------------------------


def test_a_provider_of_one_organisation_opens_no_other(
    platform: ThreadedPlatform,
    sign_in: SignIn,
    trust: Callable[..., Any],
    *,
    member: str,
    tenant: TestTenant,
    other_tenant: TestTenant,
) -> None:
    """Else whoever administers one organisation could be anybody in all the others."""
    trust()
    platform.run(platform.platform.provisioning.add_member(other_tenant.id, member, roles=["example.writer"]))
    answer = sign_in.whole()
    headers = bearer(answer)
    assert [one["slug"] for one in answer.json()["tenants"]] == [tenant.slug], "not even which others there are"
    client = sign_in.client
    assert [one["slug"] for one in client.get("/api/v1/auth/me", headers=headers).json()["tenants"]] == [tenant.slug]
    assert [one["slug"] for one in client.get("/api/v1/auth/tenants", headers=headers).json()] == [tenant.slug]
    assert client.post("/api/v1/auth/token", json={"tenant": other_tenant.slug}, headers=headers).status_code == 403
    assert client.post("/api/v1/auth/token", json={"tenant": tenant.slug}, headers=headers).status_code == 200
    assert client.get(NOTES, headers={**headers, "X-Tenant": other_tenant.slug}).status_code == 403
    refreshed = client.post("/api/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}).json()
    assert [one["slug"] for one in refreshed["tenants"]] == [tenant.slug]
    again = {"Authorization": f"Bearer {refreshed['access_token']}"}
    assert client.post("/api/v1/auth/token", json={"tenant": other_tenant.slug}, headers=again).status_code == 403


def test_sessions_of_elsewhere_are_neither_seen_nor_ended(
    platform: ThreadedPlatform, sign_in: SignIn, trust: Callable[..., Any], member: str
) -> None:
    trust()
    answer = sign_in.whole()
    headers = bearer(answer)
    user_id = UUID(answer.json()["user"]["id"])
    elsewhere = {"Authorization": f"Bearer {platform.run(platform.platform.auth.token_for(user_id))}"}
    client = sign_in.client
    assert client.get("/api/v1/auth/me", headers=elsewhere).status_code == 200
    (other,) = (s for s in client.get("/api/v1/auth/sessions", headers=elsewhere).json() if s["current"])
    (seen,) = client.get("/api/v1/auth/sessions", headers=headers).json()
    assert (seen["method"], seen["current"]) == ("oidc", True)
    lasts = datetime.fromisoformat(seen["expires_at"]) - datetime.now(UTC)
    assert lasts <= timedelta(hours=24), "whoever has left there is out here by then"
    assert client.delete(f"/api/v1/auth/sessions/{other['id']}", headers=headers).status_code == 404
    assert client.post("/api/v1/auth/logout-everywhere", headers=headers).json() == {"sessions": 1}
    assert client.get("/api/v1/auth/me", headers=elsewhere).status_code == 200


def test_a_providers_word_does_not_reach_the_account_itself(
    platform: ThreadedPlatform, sign_in: SignIn, trust: Callable[..., Any], member: str
) -> None:
    """Password, second factor and other sign-ins are the person's in all their organisations."""
    trust()
    headers = {**bearer(sign_in.whole()), "If-Match": '"1"'}
    open_to_all = (
        "me",
        "tenants",
        "token",
        "logout",
        "logout-everywhere",
        "tickets",
        "sessions",
        "sessions/{session_id}",
    )
    allowed = {f"/api/v1/auth/{name}" for name in open_to_all}
    reached = [
        (method, path)
        for path, operations in platform.openapi["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/api/v1/auth/") and "security" in operation and path not in allowed
    ]
    assert ("put", "/api/v1/auth/password") in reached
    for method, path in reached:
        answer = sign_in.client.request(method, path, headers=headers, json={})
        assert answer.status_code == 403, (method, path, answer.text)
