"""What an organisation demands of its members, and what it is told of their accounts."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.second_factor import Totp
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.auth.totp import PERIOD, code_at
from riveredge_kernel.tenancy.policy import OrganisationPolicy, read_policy
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

AUTH, POLICY, NOTES = "/api/v1/auth", "/api/v1/settings/kernel", "/api/v1/example/notes"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(platform: ThreadedPlatform, tenant: TestTenant) -> Iterator[ApiClient]:
    """An administrator of `tenant` who has signed in with a password."""
    email = f"ada-{tenant.slug}@example.com"
    platform.run(platform.platform.provisioning.add_member(tenant.id, email, password=PASSWORD, roles=[ADMINISTRATOR]))
    with ApiClient(platform) as client:
        use(client, login(client, tenant))
        yield client


def login(client: ApiClient, tenant: TestTenant, **more: Any) -> Any:
    """Ada's sign-in."""
    body = {"email": f"ada-{tenant.slug}@example.com", "password": PASSWORD, **more}
    return client.post(f"{AUTH}/login", json=body)


def use(client: ApiClient, answer: Any) -> Any:
    """Go on with the tokens of an answer."""
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer.json()


def demand(client: ApiClient, **values: Any) -> None:
    """Change the organisation's policy."""
    version = client.get(POLICY).headers["etag"]
    answer = client.patch(POLICY, json=values, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text


def told(client: ApiClient) -> list[str]:
    """What the organisation is told of accounts, the oldest first."""
    entries = client.get("/api/v1/audit", params={"limit": 200, "sort": "created_at"}).json()["items"]
    mark = "kernel.account."
    return [entry["action"].removeprefix(mark) for entry in entries if entry["action"].startswith(mark)]


def test_a_second_factor_is_demanded_after_a_grace(
    platform: ThreadedPlatform, tenant: TestTenant, ada: ApiClient, client: ApiClient, as_user: AsUser
) -> None:
    soon = platform.now() + timedelta(days=2)
    demand(client, second_factor_from=soon.isoformat())
    graced = use(ada, login(ada, tenant))
    assert [(one["proof"], one["refused"]) for one in graced["missing"]] == [("second_factor", False)]
    assert ada.get(NOTES).status_code == 200, "until then it is asked for, and not refused"
    demand(client, second_factor_from=(platform.now() - timedelta(hours=1)).isoformat())
    refused = ada.get(NOTES)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:riveredge:problem:second-factor-demanded")
    for way in ({"X-Tenant": tenant.slug}, {}):
        assert ada.get(NOTES, headers=way).status_code == 403
    assert ada.post("/api/v1/stream/tickets").status_code == 403
    now = use(ada, login(ada, tenant))
    assert now["missing"][0]["refused"] is True
    switched = use(ada, ada.post(f"{AUTH}/token", json={"tenant": tenant.slug}))
    assert switched["missing"][0]["refused"] is True
    refreshed = use(ada, ada.post(f"{AUTH}/refresh", json={"refresh_token": now["refresh_token"]}))
    assert refreshed["missing"][0]["refused"] is True
    assert ada.get(NOTES).status_code == 403, "no way of getting a token leads around it"

    begun = ada.post(f"{AUTH}/second-factor", json={"password": PASSWORD}).json()
    code = code_at(begun["secret"], int(time.time()) // PERIOD)
    assert ada.post(f"{AUTH}/second-factor/confirm", json={"code": code}).status_code == 200
    assert ada.get(NOTES).status_code == 200, "whoever has just shown one goes on"

    async def rewind() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(Totp).values(last_step=0))

    platform.run(rewind())
    fresh = use(ada, login(ada, tenant, code=code_at(begun["secret"], int(time.time()) // PERIOD)))
    assert (fresh["missing"], ada.get(NOTES).status_code) == ([], 200)
    key = ada.post("/api/v1/api-keys", json={"name": "K", "permissions": ["example.note.read"]}).json()["key"]
    by_key = client.get(NOTES, headers={"Authorization": f"Bearer {key}"})
    assert by_key.status_code == 200, "keys are made by those who have shown one"


def test_sessions_last_as_long_as_the_organisation_allows(
    platform: ThreadedPlatform, tenant: TestTenant, ada: ApiClient, client: ApiClient
) -> None:
    async def age(session: UUID, **hours: int) -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            back = {name: platform.now() - timedelta(hours=number) for name, number in hours.items()}
            await db.exec(update(UserSession).where(col(UserSession.id) == session).values(**back))
        platform.platform.auth.sessions.invalidate()

    demand(client, session_max_hours=8, session_idle_hours=2)
    signed_in = use(ada, login(ada, tenant))
    assert ada.get(NOTES).status_code == 200
    (current,) = (one for one in ada.get(f"{AUTH}/sessions").json() if one["current"])
    platform.run(age(UUID(current["id"]), created_at=9))
    assert ada.get(NOTES).status_code == 401
    old = ada.post(f"{AUTH}/refresh", json={"refresh_token": signed_in["refresh_token"]})
    assert old.status_code == 401
    assert "8 h" in old.json()["detail"]

    paused = use(ada, login(ada, tenant))
    (current,) = (one for one in ada.get(f"{AUTH}/sessions").json() if one["current"])
    platform.run(age(UUID(current["id"]), last_used_at=3))
    late = ada.post(f"{AUTH}/refresh", json={"refresh_token": paused["refresh_token"]})
    assert (late.status_code, "2 h" in late.json()["detail"]) == (401, True)
    assert ada.get(NOTES).status_code == 401, "the session has ended"


def test_only_named_domains_are_invited_and_nonsense_is_refused(client: ApiClient, as_user: AsUser) -> None:
    demand(client, invitation_domains=["Acme.Example"])
    for place in ("/api/v1/invitations", "/api/v1/members"):
        body = {"email": "eve@evil.example"} | ({"by_hand": True} if place.endswith("invitations") else {})
        refused = client.post(place, json=body)
        assert refused.json()["errors"][0] == {
            "field": "email",
            "message": "Only addresses of acme.example are let in here.",
            "code": "email_domain",
        }
        assert client.post(place, json={**body, "email": "eve@acme.example.evil.example"}).status_code == 422
    invited = client.post("/api/v1/invitations", json={"email": "eve@acme.example", "by_hand": True})
    assert invited.status_code == 201, invited.text
    for values in ({"session_max_hours": 0}, {"invitation_domains": ["no domain"]}, {"second_factor_from": "soon"}):
        answer = client.patch(POLICY, json=values, headers={"If-Match": '"1"'})
        assert answer.status_code == 422
    weak = as_user({"kernel.tenant.read"})
    assert weak.patch(POLICY, json={}, headers={"If-Match": '"1"'}).status_code == 403


def test_an_organisation_is_told_what_happens_to_accounts(  # noqa: PLR0917
    platform: ThreadedPlatform, tenant: TestTenant, other_tenant: TestTenant, ada: ApiClient, client: ApiClient,
    as_user: AsUser,
) -> None:  # fmt: skip
    login(ada, tenant, password="wrong")
    ada.post(f"{AUTH}/login", json={"email": "nobody@example.com", "password": "wrong"})
    platform.settle()
    begun = ada.post(f"{AUTH}/second-factor", json={"password": PASSWORD}).json()
    code = code_at(begun["secret"], int(time.time()) // PERIOD)
    ada.post(f"{AUTH}/second-factor/confirm", json={"code": code})
    login(ada, tenant, code="abcdef")
    ada.post(f"{AUTH}/logout")
    platform.settle()
    assert told(client) == [
        "signed_in",
        "sign_in_failed",
        "second_factor_on",
        "second_factor_failed",
        "signed_out",
    ]
    log = client.get("/api/v1/audit", params={"limit": 200, "sort": "created_at"}).json()["items"]
    first = next(entry for entry in log if entry["action"] == "kernel.account.signed_in")
    assert (first["actor_kind"], first["actor_id"]) == ("user", first["object_id"])
    assert (first["details"]["method"], first["address"]) == ("password", "127.0.0.1")
    assert PASSWORD not in str(log)
    stranger = as_user(platform.permissions, tenant=other_tenant)
    assert told(stranger) == []


def test_what_cannot_be_read_any_more_is_taken_for_the_strictest() -> None:
    stored = {"second_factor_from": "soon", "session_max_hours": 8, "invitation_domains": "acme", "gone": 1}
    read = read_policy(stored)
    assert read.demands_second_factor(datetime(2026, 11, 25, tzinfo=UTC))
    assert (read.session_max_hours, read.session_idle_hours) == (8, None)
    assert read.invitation_domains == ["unreadable.invalid"]
    assert read_policy(None) == OrganisationPolicy()
