"""Getting back into an account, proving addresses, and being invited: over HTTP, with real mails."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.auth.invitations import Invitation
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.one_time import OneTimeToken
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.metrics import PASSWORD_HASHES
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.models import utcnow
from riveredge_sdk.testing.platform import ApiClient, Mailbox, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

AUTH = "/api/v1/auth"
INVITATIONS = "/api/v1/invitations"
PASSWORD = "correct horse battery staple"
ANOTHER = "purple monkey dishwasher nine"


@pytest.fixture
def email(platform: ThreadedPlatform, tenant: TestTenant) -> str:
    """The address of an administrator of `tenant` who has a password."""
    address = f"ada-{tenant.slug}@example.com"
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, address, name="Ada", password=PASSWORD, roles=[ADMINISTRATOR]))
    return address


@pytest.fixture
def mails(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """The installation's mail server."""
    for name, value in {"HOST": "127.0.0.1", "PORT": str(mailbox.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"RIVEREDGE_MESSAGING__SMTP__{name}", value)
    return mailbox


def login(client: ApiClient, email: str, password: str = PASSWORD) -> Any:
    """The answer to a sign-in."""
    return client.post(f"{AUTH}/login", json={"email": email, "password": password})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header that a client sends."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def text_of(mail: Any) -> str:
    """The plain text of a received mail."""
    return str(mail.text())


def link_in(mail: Any) -> tuple[str, str]:
    """The address of a mail's link, and the secret in it."""
    found = re.search(r"(https?://\S+)#token=(\S+)", text_of(mail))
    assert found, text_of(mail)
    return found[1], found[2]


Ago = Callable[[type[Any]], None]


@pytest.fixture
def expire(platform: ThreadedPlatform) -> Ago:
    """`expire(OneTimeToken)`: let all of these have expired."""

    def expire(model: Any) -> None:
        async def age() -> None:
            async with platform.platform.database.system("test", platform.platform.runtime) as db:
                await db.exec(update(model).values(expires_at=utcnow() - timedelta(seconds=1)))

        platform.run(age())

    return expire


# -- a forgotten password -------------------------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced_by_a_link_that_is_good_once(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, mails: Mailbox
) -> None:
    before = login(anonymous, email).json()
    asked = anonymous.post(
        f"{AUTH}/password/forgot",
        json={"email": email.upper()},
        # Nothing that a request says about its host gets into a mail.
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"},
    )
    assert asked.status_code == 202, asked.text
    (mail,) = mails.wait_for(1)
    page, token = link_in(mail)
    assert page == f"{platform.base_url}/apps/console/reset-password"
    assert "evil" not in text_of(mail)
    reset = f"{AUTH}/password/reset"
    weak = anonymous.post(reset, json={"token": token, "password": "password123"})
    assert weak.status_code == 422
    assert weak.json()["errors"][0]["field"] == "password"
    assert anonymous.post(reset, json={"token": token, "password": ANOTHER}).status_code == 204
    again = anonymous.post(reset, json={"token": token, "password": PASSWORD})
    assert again.status_code == 422
    assert again.json()["errors"][0]["code"] == "bad_token"
    assert anonymous.get(f"{AUTH}/me", headers=bearer(before)).status_code == 401, "all sessions have ended"
    assert anonymous.post(f"{AUTH}/refresh", json={"refresh_token": before["refresh_token"]}).status_code == 401
    assert login(anonymous, email).status_code == 401
    assert login(anonymous, email, ANOTHER).status_code == 200
    told = mails.wait_for(2)[1]
    assert "password was changed" in told.message["Subject"]


def test_nobody_learns_who_has_an_account(
    anonymous: ApiClient, platform: ThreadedPlatform, email: str, tenant: TestTenant, mails: Mailbox
) -> None:
    answers = [
        anonymous.post(f"{AUTH}/password/forgot", json={"email": address})
        for address in (email, f"nobody-{tenant.slug}@example.com")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    mails.wait_for(1)
    platform.settle()
    assert [mail.recipients for mail in mails.mails] == [(email,)]


def test_without_a_mail_server_everybody_is_told_so(
    anonymous: ApiClient, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIVEREDGE_MESSAGING__SMTP__HOST", raising=False)
    for address in (email, "nobody@example.com"):
        answer = anonymous.post(f"{AUTH}/password/forgot", json={"email": address})
        assert answer.status_code == 503
        assert "no mail server" in answer.json()["detail"]


def test_a_mailbox_is_not_flooded(anonymous: ApiClient, email: str, tenant: TestTenant, mails: Mailbox) -> None:
    for address in (email, f"nobody-{tenant.slug}@example.com"):
        asked = [anonymous.post(f"{AUTH}/password/forgot", json={"email": address}).status_code for _ in range(7)]
        assert asked == [202] * 5 + [429] * 2


def test_links_replace_one_another_expire_and_cost_no_hash(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, mails: Mailbox, expire: Ago
) -> None:
    for count in (1, 2):
        anonymous.post(f"{AUTH}/password/forgot", json={"email": email})
        mails.wait_for(count)
    tokens = [link_in(mail)[1] for mail in mails.mails]
    before = PASSWORD_HASHES._value.get()

    def reset(token: str) -> int:
        answer = anonymous.post(f"{AUTH}/password/reset", json={"token": token, "password": ANOTHER})
        return int(answer.status_code)

    assert reset(tokens[0]) == 422, "the later one counts"
    expire(OneTimeToken)
    assert reset(tokens[1]) == 422
    assert reset("x" * 43) == 422
    assert PASSWORD_HASHES._value.get() == before
    assert login(anonymous, email).status_code == 200


def test_one_link_used_at_once_by_two_sets_one_password(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, mails: Mailbox
) -> None:
    anonymous.post(f"{AUTH}/password/forgot", json={"email": email})
    _, token = link_in(mails.wait_for(1)[0])

    async def both() -> list[int]:
        async with httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
            bodies = [{"token": token, "password": f"{ANOTHER} {number}"} for number in range(4)]
            answers = await asyncio.gather(*(http.post(f"{AUTH}/password/reset", json=body) for body in bodies))
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(both())) == [204, 422, 422, 422]


def test_no_secret_of_a_mail_is_kept(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, mails: Mailbox, client: ApiClient
) -> None:
    from riveredge_kernel.events.models import OutboxEvent
    from riveredge_kernel.functions.models import Run, RunStep
    from riveredge_messaging.models import Delivery, Message

    anonymous.post(f"{AUTH}/password/forgot", json={"email": email})
    _, token = link_in(mails.wait_for(1)[0])
    platform.settle()

    async def dump() -> str:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            models: list[Any] = [OneTimeToken, OutboxEvent, Run, RunStep, Message, Delivery]
            return " ".join(
                [str([row.model_dump() for row in (await db.exec(select(model))).all()]) for model in models]
            )

    assert token not in platform.run(dump())


# -- changing it ----------------------------------------------------------------------------------------------------


def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(
    anonymous: ApiClient, email: str, mails: Mailbox
) -> None:
    here, there = login(anonymous, email).json(), login(anonymous, email).json()
    place = f"{AUTH}/password"
    for body, field in (
        ({"new_password": ANOTHER}, "password"),
        ({"new_password": ANOTHER, "password": "wrong password"}, "password"),
        ({"new_password": "short", "password": PASSWORD}, "new_password"),
        ({"new_password": f"{email}1", "password": PASSWORD}, "new_password"),
    ):
        refused = anonymous.put(place, json=body, headers=bearer(here))
        assert refused.status_code == 422, body
        assert refused.json()["errors"][0]["field"] == field
    body = {"new_password": ANOTHER, "password": PASSWORD}
    assert anonymous.put(place, json=body, headers=bearer(here)).status_code == 204
    assert anonymous.get(f"{AUTH}/me", headers=bearer(here)).status_code == 200
    assert anonymous.get(f"{AUTH}/me", headers=bearer(there)).status_code == 401
    assert login(anonymous, email, ANOTHER).status_code == 200


def test_a_stolen_token_does_not_guess_the_password(anonymous: ApiClient, email: str) -> None:
    tokens = login(anonymous, email).json()
    body = {"new_password": ANOTHER, "password": "wrong password"}
    statuses = [anonymous.put(f"{AUTH}/password", json=body, headers=bearer(tokens)).status_code for _ in range(12)]
    assert statuses == [422] * 10 + [429] * 2


# -- addresses ------------------------------------------------------------------------------------------------------


def test_another_address_counts_once_its_mail_was_answered(
    anonymous: ApiClient, email: str, tenant: TestTenant, mails: Mailbox, platform: ThreadedPlatform
) -> None:
    tokens = login(anonymous, email).json()
    new = f"new-{tenant.slug}@example.com"
    place = f"{AUTH}/email"
    assert anonymous.put(place, json={"email": new}, headers=bearer(tokens)).status_code == 422
    asked = anonymous.put(place, json={"email": new, "password": PASSWORD}, headers=bearer(tokens))
    assert asked.status_code == 202, asked.text
    (mail,) = mails.wait_for(1)
    assert mail.recipients == (new,)
    assert anonymous.get(f"{AUTH}/me", headers=bearer(tokens)).json()["user"]["email"] == email
    page, token = link_in(mail)
    assert page.endswith("/verify-email")
    reset = anonymous.post(f"{AUTH}/password/reset", json={"token": token, "password": ANOTHER})
    assert reset.status_code == 422, "a link is good for one purpose only"
    assert anonymous.post(f"{AUTH}/email/verify", json={"token": token}).status_code == 204
    assert anonymous.post(f"{AUTH}/email/verify", json={"token": token}).status_code == 422
    me = anonymous.get(f"{AUTH}/me", headers=bearer(tokens)).json()
    assert (me["user"]["email"], me["email_verified"]) == (new, True)
    told = mails.wait_for(2)[1]
    assert told.recipients == (email,), "who had the address before is told"
    assert login(anonymous, email).status_code == 401
    assert login(anonymous, new).status_code == 200


def test_an_address_that_somebody_else_has_is_not_taken_over(
    anonymous: ApiClient, email: str, tenant: TestTenant, mails: Mailbox, platform: ThreadedPlatform
) -> None:
    other = f"other-{tenant.slug}@example.com"
    platform.run(platform.platform.provisioning.add_member(tenant.id, other, password=PASSWORD))
    tokens = login(anonymous, email).json()
    asked = anonymous.put(f"{AUTH}/email", json={"email": other, "password": PASSWORD}, headers=bearer(tokens))
    assert asked.status_code == 202, "that it is taken is not told"
    _, token = link_in(mails.wait_for(1)[0])
    assert anonymous.post(f"{AUTH}/email/verify", json={"token": token}).status_code == 409
    assert login(anonymous, other).status_code == 200


# -- invitations ----------------------------------------------------------------------------------------------------


def test_an_invitation_makes_an_account_and_signs_in(
    anonymous: ApiClient, client: ApiClient, tenant: TestTenant, mails: Mailbox
) -> None:
    invited = f"grace-{tenant.slug}@example.com"
    made = client.post(INVITATIONS, json={"email": invited, "name": "Grace", "roles": ["kernel.viewer"]})
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["link"]) == ("open", None)
    (mail,) = mails.wait_for(1)
    assert mail.recipients == (invited,)
    assert tenant.slug in mail.message["Subject"]
    page, token = link_in(mail)
    assert page.endswith("/apps/console/accept-invitation")
    seen = anonymous.post(f"{AUTH}/invitations/look", json={"token": token}).json()
    assert (seen["tenant"]["slug"], seen["email"], seen["account_exists"]) == (tenant.slug, invited, False)
    accept = f"{AUTH}/invitations/accept"
    body = {"token": token, "name": "Grace H.", "password": PASSWORD}
    for more in ({"email": "x@example.com"}, {"roles": [ADMINISTRATOR]}, {"tenant_id": str(tenant.id)}):
        assert anonymous.post(accept, json={**body, **more}).status_code == 422, "what is not asked for is refused"
    weak = anonymous.post(accept, json={**body, "password": f"{invited}"})
    assert weak.json()["errors"][0]["code"] == "password_weak"
    tokens = anonymous.post(accept, json=body)
    assert tokens.status_code == 200, tokens.text
    me = anonymous.get(f"{AUTH}/me", headers=bearer(tokens.json())).json()
    assert (me["user"]["email"], me["user"]["name"], me["email_verified"]) == (invited, "Grace H.", True)
    assert set(me["permissions"]) >= {"kernel.run.read"}
    assert "kernel.member.write" not in me["permissions"]
    assert anonymous.post(accept, json=body).status_code == 422
    assert client.get(f"{INVITATIONS}/{made.json()['id']}").json()["status"] == "accepted"
    assert client.post(f"{INVITATIONS}/{made.json()['id']}/resend", json={}).status_code == 409
    assert client.post(INVITATIONS, json={"email": invited}).status_code == 409, "they are a member"


def test_a_link_handed_over_by_hand_proves_no_address(  # noqa: PLR0917  (fixtures)
    anonymous: ApiClient,
    client: ApiClient,
    as_user: AsUser,
    tenant: TestTenant,
    other_tenant: TestTenant,
    platform: ThreadedPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RIVEREDGE_MESSAGING__SMTP__HOST", raising=False)
    victim = f"victim-{tenant.slug}@example.com"
    refused = client.post(INVITATIONS, json={"email": victim})
    assert refused.status_code == 503, "no mail server, and no by_hand"
    assert client.get(INVITATIONS).json()["items"] == []
    made = client.post(INVITATIONS, json={"email": victim, "by_hand": True})
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    token = made.json()["link"].partition("#token=")[2]
    body = {"token": token, "password": PASSWORD}
    squatter = anonymous.post(f"{AUTH}/invitations/accept", json=body).json()
    me = anonymous.get(f"{AUTH}/me", headers=bearer(squatter)).json()
    assert me["email_verified"] is False
    # Another organisation that means the real owner of the address does not let the squatter in.
    other = as_user(platform.permissions, tenant=other_tenant)
    added = other.post("/api/v1/members", json={"email": victim})
    assert added.status_code == 409
    assert "invitation" in added.json()["detail"]


def test_who_has_an_account_joins_with_it_and_a_link_alone_does_not_open_it(  # noqa: PLR0917  (fixtures)
    anonymous: ApiClient,
    as_user: AsUser,
    email: str,
    tenant: TestTenant,
    other_tenant: TestTenant,
    platform: ThreadedPlatform,
) -> None:
    other = as_user(platform.permissions, tenant=other_tenant)
    link = other.post(INVITATIONS, json={"email": email, "by_hand": True, "roles": ["kernel.viewer"]}).json()["link"]
    token = link.partition("#token=")[2]
    assert anonymous.post(f"{AUTH}/invitations/look", json={"token": token}).json()["account_exists"] is True
    taken = anonymous.post(f"{AUTH}/invitations/accept", json={"token": token, "password": ANOTHER})
    assert taken.status_code == 409
    assert login(anonymous, email, ANOTHER).status_code == 401
    stranger = as_user([])
    join = f"{AUTH}/invitations/join"
    assert stranger.post(join, json={"token": token}).status_code == 403
    tokens = login(anonymous, email).json()
    joined = anonymous.post(join, json={"token": token}, headers=bearer(tokens))
    assert joined.status_code == 200, joined.text
    assert joined.json()["slug"] == other_tenant.slug
    both = login(anonymous, email).json()
    assert {one["slug"] for one in both["tenants"]} == {tenant.slug, other_tenant.slug}
    assert anonymous.post(join, json={"token": token}, headers=bearer(tokens)).status_code == 422


def test_invitations_are_withdrawn_replaced_and_expire(
    anonymous: ApiClient, client: ApiClient, tenant: TestTenant, expire: Ago
) -> None:
    address = f"x-{tenant.slug}@example.com"
    first = client.post(INVITATIONS, json={"email": address, "by_hand": True}).json()
    assert client.post(INVITATIONS, json={"email": address, "by_hand": True}).status_code == 409
    place = f"{INVITATIONS}/{first['id']}"
    second = client.post(f"{place}/resend", json={"by_hand": True}).json()

    def look(invitation: dict[str, Any]) -> int:
        token = invitation["link"].partition("#token=")[2]
        return int(anonymous.post(f"{AUTH}/invitations/look", json={"token": token}).status_code)

    assert (look(first), look(second)) == (422, 200)
    expire(Invitation)
    assert look(second) == 422
    assert client.get(place).json()["status"] == "expired"
    third = client.post(f"{place}/resend", json={"by_hand": True}).json()
    assert look(third) == 200
    found = client.get(
        INVITATIONS, params={"filter": f'{{"conditions": [{{"field": "email", "op": "eq", "value": "{address}"}}]}}'}
    )
    assert found.status_code == 200, found.text
    assert [each["id"] for each in found.json()["items"]] == [first["id"]]
    assert "link" not in found.json()["items"][0] or found.json()["items"][0]["link"] is None
    version = client.get(place).headers["etag"]
    assert client.delete(place, headers={"If-Match": version}).status_code == 204
    assert look(third) == 422


def test_nobody_invites_beyond_what_they_may_or_into_another_organisation(
    as_user: AsUser, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant, platform: ThreadedPlatform
) -> None:
    address = f"x-{tenant.slug}@example.com"
    weak = as_user({"kernel.member.read", "kernel.member.write"})
    refused = weak.post(INVITATIONS, json={"email": address, "roles": [ADMINISTRATOR], "by_hand": True})
    assert refused.status_code == 403
    assert as_user({"kernel.member.read"}).post(INVITATIONS, json={"email": address}).status_code == 403
    strong = client.post(INVITATIONS, json={"email": address, "roles": [ADMINISTRATOR], "by_hand": True}).json()
    place = f"{INVITATIONS}/{strong['id']}"
    assert weak.post(f"{place}/resend", json={"by_hand": True}).status_code == 403
    other = as_user(platform.permissions, tenant=other_tenant)
    assert other.get(place).status_code == 404
    assert other.post(f"{place}/resend", json={"by_hand": True}).status_code == 404
    unknown = client.post(INVITATIONS, json={"email": "y@example.com", "roles": ["no.such"], "by_hand": True})
    assert unknown.json()["errors"][0]["field"] == "roles.0"
    for bad in ("x", "x@y\r\nBcc: z@example.com", "a@b@c"):
        assert client.post(INVITATIONS, json={"email": bad, "by_hand": True}).status_code == 422


def test_mails_speak_the_reader_s_language(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, mails: Mailbox
) -> None:
    async def chinese() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(User).where(col(User.email) == email).values(locale="zh-CN"))

    platform.run(chinese())
    anonymous.post(f"{AUTH}/password/forgot", json={"email": email})
    (mail,) = mails.wait_for(1)
    assert mail.message["Subject"] == "设置新密码"
    link_in(mail)
