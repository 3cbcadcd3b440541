"""Sessions: refresh tokens that rotate, replays that end the session, and ending them at will."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.session_models import RefreshToken, UserSession
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.models import utcnow
from riveredge_sdk.testing.platform import ApiClient, TestTenant

pytestmark = pytest.mark.database

AUTH = "/api/v1/auth"
PASSWORD = "correct horse battery staple"

SignIn = Callable[..., dict[str, Any]]


@pytest.fixture
def email(platform: ThreadedPlatform, tenant: TestTenant) -> str:
    """The address of an administrator of `tenant` who has a password."""
    address = f"ada-{tenant.slug}@example.com"
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, address, password=PASSWORD, roles=[ADMINISTRATOR]))
    return address


@pytest.fixture
def sign_in(anonymous: ApiClient, email: str) -> SignIn:
    """`sign_in("Firefox")`: what a sign-in answers."""

    def sign_in(agent: str = "test") -> dict[str, Any]:
        body = {"email": email, "password": PASSWORD}
        answer = anonymous.post(f"{AUTH}/login", json=body, headers={"User-Agent": agent})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return sign_in


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header that a client sends."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def refresh(client: ApiClient, token: str, agent: str = "test") -> Any:
    """The answer to a refresh."""
    return client.post(f"{AUTH}/refresh", json={"refresh_token": token}, headers={"User-Agent": agent})


def use_long_ago(platform: ThreadedPlatform) -> None:
    """Let all used refresh tokens have been used an hour earlier, as if time had passed."""

    async def age() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            used = col(RefreshToken.used_at).is_not(None)
            await db.exec(update(RefreshToken).where(used).values(used_at=utcnow() - timedelta(hours=1)))

    platform.run(age())


def test_a_refresh_token_gives_new_tokens_once(anonymous: ApiClient, sign_in: SignIn, tenant: TestTenant) -> None:
    first = sign_in()
    answer = refresh(anonymous, first["refresh_token"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["tenant"]["slug"] == tenant.slug
    assert anonymous.get(f"{AUTH}/me", headers=bearer(second)).status_code == 200
    assert refresh(anonymous, second["refresh_token"]).status_code == 200


def test_a_replayed_refresh_token_ends_the_whole_session(
    platform: ThreadedPlatform, anonymous: ApiClient, sign_in: SignIn
) -> None:
    other = sign_in()
    stolen = sign_in()
    second = refresh(anonymous, stolen["refresh_token"]).json()
    third = refresh(anonymous, second["refresh_token"]).json()
    use_long_ago(platform)
    replay = refresh(anonymous, stolen["refresh_token"], "thief")
    assert replay.status_code == 401
    assert "used before" in replay.json()["detail"]
    for tokens in (stolen, second, third):
        assert anonymous.get(f"{AUTH}/me", headers=bearer(tokens)).status_code == 401
    assert refresh(anonymous, third["refresh_token"]).status_code == 401
    assert anonymous.get(f"{AUTH}/me", headers=bearer(other)).status_code == 200, "another session is not concerned"


def test_two_tabs_that_refresh_at_once_stay_signed_in(
    platform: ThreadedPlatform, anonymous: ApiClient, sign_in: SignIn
) -> None:
    token = sign_in()["refresh_token"]

    async def at_once() -> list[Any]:
        async with httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
            sent = [http.post(f"{AUTH}/refresh", json={"refresh_token": token}) for _ in range(8)]
            return list(await asyncio.gather(*sent))

    answers = asyncio.run(at_once())
    assert [answer.status_code for answer in answers] == [200] * 8
    followers = {answer.json()["refresh_token"] for answer in answers}
    assert len(followers) == 1, "the family has one line; a second would let a thief go unnoticed"
    assert refresh(anonymous, followers.pop()).status_code == 200


def test_a_forged_refresh_token_ends_nobodys_session(anonymous: ApiClient, sign_in: SignIn) -> None:
    tokens = sign_in()
    real = tokens["refresh_token"]
    for forged in ("x", real[:-1], real.swapcase(), tokens["access_token"][:200], "rvr_" + "A" * 43):
        assert refresh(anonymous, forged).status_code == 401
    assert refresh(anonymous, real).status_code == 200


def test_tokens_of_one_kind_do_not_pass_for_another(
    platform: ThreadedPlatform, anonymous: ApiClient, sign_in: SignIn
) -> None:
    tokens = sign_in()
    answer = anonymous.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {tokens['refresh_token']}"})
    assert answer.status_code == 401
    issuer = platform.platform.auth.tokens
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    for header in ({"typ": "JWT"}, {"typ": "other+jwt"}, {}):
        confused = jwt.encode(claims, issuer._key, algorithm="EdDSA", headers=header)
        assert anonymous.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {confused}"}).status_code == 401
    headers = {"typ": "at+jwt"}
    for missing in ("sid", "sub", "exp"):
        less = {name: value for name, value in claims.items() if name != missing}
        token = jwt.encode(less, issuer._key, algorithm="EdDSA", headers=headers)
        assert anonymous.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401, missing


def test_a_session_of_somebody_else_does_not_carry_a_token(
    platform: ThreadedPlatform, anonymous: ApiClient, client: ApiClient, sign_in: SignIn
) -> None:
    assert client.user is not None
    claims = jwt.decode(sign_in()["access_token"], options={"verify_signature": False})
    mixed = platform.platform.auth.tokens.issue(client.user.id, UUID(claims["sid"]), tenant_id=UUID(claims["tid"]))
    assert anonymous.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {mixed}"}).status_code == 401


def test_sessions_are_listed_with_their_device_and_ended_one_by_one(anonymous: ApiClient, sign_in: SignIn) -> None:
    here, there = sign_in("Firefox on Linux"), sign_in("Safari\x01 on iPhone")
    listed = anonymous.get(f"{AUTH}/sessions", headers=bearer(here)).json()
    assert [(s["user_agent"], s["current"]) for s in listed] == [
        ("Safari on iPhone", False),
        ("Firefox on Linux", True),
    ]
    assert {s["ip"] for s in listed} == {"127.0.0.1"}
    assert {s["method"] for s in listed} == {"password"}
    refreshed = refresh(anonymous, here["refresh_token"], "Firefox, updated").json()
    listed = anonymous.get(f"{AUTH}/sessions", headers=bearer(refreshed)).json()
    assert listed[0]["user_agent"] == "Firefox, updated", "the one last used comes first"
    place = f"{AUTH}/sessions/{listed[1]['id']}"
    assert anonymous.delete(place, headers=bearer(refreshed)).status_code == 204
    assert anonymous.get(f"{AUTH}/me", headers=bearer(there)).status_code == 401
    assert refresh(anonymous, there["refresh_token"]).status_code == 401
    assert anonymous.delete(place, headers=bearer(refreshed)).status_code == 404
    assert anonymous.get(f"{AUTH}/me", headers=bearer(here)).status_code == 200


def test_nobody_ends_another_ones_session(anonymous: ApiClient, client: ApiClient, sign_in: SignIn) -> None:
    tokens = sign_in()
    (session,) = anonymous.get(f"{AUTH}/sessions", headers=bearer(tokens)).json()
    assert client.delete(f"{AUTH}/sessions/{session['id']}").status_code == 404
    assert anonymous.get(f"{AUTH}/me", headers=bearer(tokens)).status_code == 200


def test_signing_out_here_and_everywhere(anonymous: ApiClient, sign_in: SignIn) -> None:
    one, two, three = sign_in(), sign_in(), sign_in()
    assert anonymous.post(f"{AUTH}/logout", headers=bearer(one)).status_code == 204
    assert anonymous.get(f"{AUTH}/me", headers=bearer(one)).status_code == 401
    others = anonymous.post(f"{AUTH}/logout-everywhere", params={"keep_this": True}, headers=bearer(two))
    assert others.json() == {"sessions": 1}
    assert anonymous.get(f"{AUTH}/me", headers=bearer(three)).status_code == 401
    assert anonymous.post(f"{AUTH}/logout-everywhere", headers=bearer(two)).json() == {"sessions": 1}
    assert anonymous.get(f"{AUTH}/me", headers=bearer(two)).status_code == 401
    assert refresh(anonymous, two["refresh_token"]).status_code == 401


def test_an_api_key_is_no_session(client: ApiClient, anonymous: ApiClient, tenant: TestTenant) -> None:
    made = client.post("/api/v1/api-keys", json={"name": "script", "permissions": ["kernel.run.read"]})
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert anonymous.get(f"{AUTH}/sessions", headers=key).status_code == 403
    assert anonymous.post(f"{AUTH}/logout-everywhere", headers=key).status_code == 403
    assert anonymous.post(f"{AUTH}/token", json={"tenant": tenant.slug}, headers=key).status_code == 403


def test_sessions_end_by_themselves(platform: ThreadedPlatform, anonymous: ApiClient, sign_in: SignIn) -> None:
    idle, old = sign_in("idle"), sign_in("old")
    sessions = platform.platform.auth.sessions

    async def pass_time(agent: str, **values: Any) -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(UserSession).where(col(UserSession.user_agent) == agent).values(**values))
        sessions._live.clear()

    past = utcnow() - timedelta(minutes=1)
    platform.run(pass_time("idle", idle_at=past))
    platform.run(pass_time("old", expires_at=past))
    assert refresh(anonymous, idle["refresh_token"]).status_code == 401
    assert refresh(anonymous, old["refresh_token"]).status_code == 401
    assert anonymous.get(f"{AUTH}/me", headers=bearer(old)).status_code == 401
    platform.run(pass_time("old", expires_at=utcnow() - timedelta(days=31)))
    assert platform.run(sessions.prune()) >= 1

    async def left() -> list[str]:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            return list((await db.exec(select(UserSession.user_agent))).all())

    assert "old" not in platform.run(left())


def test_a_deactivated_account_refreshes_nothing(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, sign_in: SignIn
) -> None:
    from riveredge_kernel.auth.models import User

    tokens = sign_in()

    async def deactivate() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(User).where(col(User.email) == email).values(active=False))

    platform.run(deactivate())
    assert refresh(anonymous, tokens["refresh_token"]).status_code == 401
    deadline = time.monotonic() + 15
    while anonymous.get(f"{AUTH}/me", headers=bearer(tokens)).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_refresh_keeps_the_organisation_that_was_chosen(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, other_tenant: TestTenant, sign_in: SignIn
) -> None:
    platform.run(platform.platform.provisioning.add_member(other_tenant.id, email, roles=["example.writer"]))
    tokens = sign_in()
    assert tokens["tenant"] is None
    chosen = anonymous.post(f"{AUTH}/token", json={"tenant": other_tenant.slug}, headers=bearer(tokens)).json()
    assert chosen["refresh_token"] is None, "the session goes on with the one it has"
    assert refresh(anonymous, tokens["refresh_token"]).json()["tenant"]["slug"] == other_tenant.slug


def test_the_database_alone_gives_no_refresh_token(platform: ThreadedPlatform, sign_in: SignIn) -> None:
    token = sign_in()["refresh_token"]

    async def dump() -> str:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            rows = (await db.exec(select(RefreshToken))).all()
            return " ".join(str(row.model_dump()) for row in rows)

    assert token.removeprefix("rvr_") not in platform.run(dump())
