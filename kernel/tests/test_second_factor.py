"""The second factor and tickets, attacked over HTTP."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.auth.one_time import OneTimeToken
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.auth.second_factor import RecoveryCode, Totp
from riveredge_kernel.auth.totp import PERIOD, code_at, matching_step, uri
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk import Body, Permission, Plugin, Router
from riveredge_sdk.auth import Reauthenticated, redeem_ticket
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant

AUTH = "/api/v1/auth"
FACTOR = f"{AUTH}/second-factor"
PASSWORD = "correct horse battery staple"
MINE = {"password": PASSWORD}

Rewind = Callable[[], None]


def test_codes_are_those_of_the_standard() -> None:
    """The vectors of RFC 6238, appendix B, for SHA-1; six digits of the eight."""
    import base64

    secret = base64.b32encode(b"12345678901234567890").decode()
    vectors = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 20000000000: "353130"}
    for instant, code in vectors.items():
        assert code_at(secret, instant // PERIOD) == code
        assert matching_step(secret, code, instant) == instant // PERIOD
        assert matching_step(secret, code, instant + PERIOD) == instant // PERIOD
        assert matching_step(secret, code, instant + 3 * PERIOD) is None
    assert matching_step(secret, "１２３４５６", 59) is None
    assert uri("ABC", "ada@example.com", "River: Edge").startswith("otpauth://totp/River%3A%20Edge:ada%40example.com?")


@pytest.fixture
def email(platform: ThreadedPlatform, tenant: TestTenant) -> str:
    """The address of an administrator of `tenant` who has a password."""
    address = f"ada-{tenant.slug}@example.com"
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, address, password=PASSWORD, roles=[ADMINISTRATOR]))
    return address


@pytest.fixture
def rewind(platform: ThreadedPlatform) -> Rewind:
    """Let the last used code have been used a while ago, as if time had passed."""

    def rewind() -> None:
        async def change() -> None:
            async with platform.platform.database.system("test", platform.platform.runtime) as db:
                await db.exec(update(Totp).values(last_step=0))

        platform.run(change())

    return rewind


def login(client: ApiClient, email: str, **more: Any) -> Any:
    """The answer to a sign-in."""
    return client.post(f"{AUTH}/login", json={"email": email, "password": PASSWORD, **more})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header that a client sends."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def code_now(secret: str) -> str:
    """What the authenticator shows."""
    return code_at(secret, int(time.time()) // PERIOD)


@pytest.fixture
def enrolled(anonymous: ApiClient, email: str, rewind: Rewind) -> tuple[dict[str, Any], str, list[str]]:
    """A signed-in user's tokens, their authenticator's secret, and their recovery codes."""
    tokens = login(anonymous, email).json()
    begun = anonymous.post(FACTOR, json=MINE, headers=bearer(tokens)).json()
    assert begun["uri"].startswith("otpauth://totp/RiverEdge:")
    confirmed = anonymous.post(f"{FACTOR}/confirm", json={"code": code_now(begun["secret"])}, headers=bearer(tokens))
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.headers["cache-control"] == "no-store"
    rewind()
    return tokens, begun["secret"], confirmed.json()["recovery_codes"]


Enrolled = tuple[dict[str, Any], str, list[str]]


@pytest.mark.database
def test_setting_up_needs_the_password_and_a_first_code(anonymous: ApiClient, email: str) -> None:
    tokens = login(anonymous, email).json()
    headers = bearer(tokens)
    assert anonymous.post(FACTOR, json={}, headers=headers).status_code == 422
    assert anonymous.post(FACTOR, json={"password": "wrong"}, headers=headers).status_code == 422
    assert anonymous.post(f"{FACTOR}/confirm", json={"code": "123456"}, headers=headers).status_code == 409
    anonymous.post(FACTOR, json=MINE, headers=headers)
    wrong = anonymous.post(f"{FACTOR}/confirm", json={"code": "abcdef"}, headers=headers)
    assert wrong.json()["errors"][0]["field"] == "code"
    assert anonymous.get(FACTOR, headers=headers).json() == {"enabled": False, "recovery_codes_left": 0}
    assert login(anonymous, email).status_code == 200, "not in force before a code was shown"


@pytest.mark.database
def test_signing_in_asks_for_a_code(anonymous: ApiClient, email: str, enrolled: Enrolled, rewind: Rewind) -> None:
    tokens, secret, _ = enrolled
    asked = login(anonymous, email)
    assert asked.status_code == 401
    assert asked.json()["type"] == "urn:riveredge:problem:second-factor-required"
    assert asked.headers["cache-control"] == "no-store"
    challenge = asked.json()["challenge"]
    for token in (challenge, tokens["refresh_token"]):
        assert anonymous.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    place = f"{AUTH}/login/second-factor"
    assert anonymous.post(place, json={"challenge": challenge, "code": "abcdef"}).status_code == 401
    done = anonymous.post(place, json={"challenge": challenge, "code": code_now(secret)})
    assert done.status_code == 200, done.text
    (session, *_) = anonymous.get(f"{AUTH}/sessions", headers=bearer(done.json())).json()
    assert session["second_factor"] is True
    rewind()
    again = anonymous.post(place, json={"challenge": challenge, "code": code_now(secret)})
    assert again.status_code == 401, "a challenge is good once"
    rewind()
    assert login(anonymous, email, code=code_now(secret)).status_code == 200
    # The password alone is checked first: a code tells nothing about it.
    assert (
        anonymous.post(f"{AUTH}/login", json={"email": email, "password": "wrong", "code": "123456"}).status_code == 401
    )


@pytest.mark.database
def test_a_code_is_good_once_also_for_two_at_once(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, enrolled: Enrolled, rewind: Rewind
) -> None:
    _, secret, _ = enrolled
    code = code_now(secret)
    assert login(anonymous, email, code=code).status_code == 200
    replayed = login(anonymous, email, code=code)
    assert replayed.status_code == 401
    earlier = code_at(secret, int(time.time()) // PERIOD - 1)
    assert login(anonymous, email, code=earlier).status_code == 401, "one before the last used is no better"
    rewind()

    async def at_once() -> list[int]:
        async with httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
            body = {"email": email, "password": PASSWORD, "code": code_now(secret)}
            answers = await asyncio.gather(*(http.post(f"{AUTH}/login", json=body) for _ in range(6)))
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(at_once())) == [200] + [401] * 5


@pytest.mark.database
def test_recovery_codes_are_good_once_and_are_replaced(
    anonymous: ApiClient, email: str, enrolled: Enrolled, rewind: Rewind
) -> None:
    tokens, secret, codes = enrolled
    assert len(set(codes)) == 10
    assert login(anonymous, email, code=codes[0].upper().replace("-", " ")).status_code == 200
    assert login(anonymous, email, code=codes[0]).status_code == 401
    state = anonymous.get(FACTOR, headers=bearer(tokens)).json()
    assert state == {"enabled": True, "recovery_codes_left": 9}
    proof = {**MINE, "code": code_now(secret)}
    renewed = anonymous.post(f"{FACTOR}/recovery-codes", json=proof, headers=bearer(tokens)).json()["recovery_codes"]
    assert login(anonymous, email, code=codes[1]).status_code == 401
    assert login(anonymous, email, code=renewed[0]).status_code == 200


@pytest.mark.database
def test_codes_cannot_be_tried_again_and_again(anonymous: ApiClient, email: str, enrolled: Enrolled) -> None:
    _, secret, _ = enrolled
    challenge = login(anonymous, email).json()["challenge"]
    body = {"challenge": challenge, "code": "abcdef"}
    statuses = [anonymous.post(f"{AUTH}/login/second-factor", json=body).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    right = login(anonymous, email, code=code_now(secret))
    assert right.status_code == 429, "nor by beginning anew"
    assert int(right.headers["retry-after"]) > 800


@pytest.mark.database
def test_switching_off_needs_password_and_code(anonymous: ApiClient, email: str, enrolled: Enrolled) -> None:
    tokens, secret, codes = enrolled
    place, headers = f"{FACTOR}/disable", bearer(tokens)
    assert anonymous.post(FACTOR, json={**MINE, "code": codes[0]}, headers=headers).status_code == 409
    for proof, status in (({}, 422), (MINE, 422), ({"code": code_now(secret)}, 422), ({**MINE, "code": "abcdef"}, 401)):
        assert anonymous.post(place, json=proof, headers=headers).status_code == status, proof
    assert login(anonymous, email).status_code == 401
    assert anonymous.post(place, json={**MINE, "code": code_now(secret)}, headers=headers).status_code == 204
    assert login(anonymous, email).status_code == 200
    assert login(anonymous, email, code=codes[1]).status_code == 200, "a code that nobody asks for is no matter"


@pytest.mark.database
def test_secrets_are_encrypted_and_codes_are_hashed(platform: ThreadedPlatform, enrolled: Enrolled) -> None:
    _, secret, codes = enrolled

    async def dump() -> str:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            rows: list[Any] = [*(await db.exec(select(Totp))).all(), *(await db.exec(select(RecoveryCode))).all()]
            return " ".join(str(row.model_dump()) for row in rows)

    kept = platform.run(dump())
    for plain in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert plain not in kept


@pytest.mark.database
def test_a_reset_of_the_password_leaves_the_second_factor(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, enrolled: Enrolled
) -> None:
    service = platform.platform.auth.service
    link = platform.run(platform.platform.auth.mails.reset_link(platform.run(service.find(email)), by_hand=True))
    token = link.partition("#token=")[2]
    changed = "purple monkey dishwasher nine"
    assert anonymous.post(f"{AUTH}/password/reset", json={"token": token, "password": changed}).status_code == 204
    asked = anonymous.post(f"{AUTH}/login", json={"email": email, "password": changed})
    assert asked.json()["type"].endswith("second-factor-required")


# -- tickets --------------------------------------------------------------------------------------------------------

DOCUMENT = b"I owe you a beer."
DIGEST = "sha256:" + hashlib.sha256(DOCUMENT).hexdigest()
SIGN = {"purpose": "signing.sign", "content_hash": DIGEST}


class SignIn(Body):
    """What a client that signs sends."""

    ticket: str | None = None
    fail: bool = False


class SigningPlugin(Plugin):
    """A plugin that demands proof of who signs."""

    id = "signing"
    title = "Signing"

    def permissions(self) -> Iterable[Permission]:
        return [Permission("signing.document.sign", "Sign")]

    def routers(self) -> Iterable[Router]:
        router = Router(tag="Signing")

        @router.post("/sign", require="signing.document.sign", status=200, summary="Sign")
        async def sign(body: SignIn) -> Reauthenticated:
            proof = await redeem_ticket(body.ticket, purpose="signing.sign", content_hash=DIGEST)
            if body.fail:
                raise Conflict("Something else went wrong.")
            return proof

        return [router]


@pytest.fixture(scope="module")
def signing(database_kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterable[ThreadedPlatform]:
    """A platform with that plugin."""
    directory: Path = tmp_path_factory.mktemp(f"signing-{database_kind}")
    with start(database_kind, directory, plugins=[SigningPlugin()]) as platform:
        yield platform


class Signer:
    """Somebody with a password, in a tenant."""

    def __init__(self, platform: ThreadedPlatform, http: ApiClient, tenant: TestTenant, name: str) -> None:
        self.http = http
        email = f"{name}-{tenant.slug}@example.com"
        add = platform.platform.provisioning.add_member
        self.id = str(platform.run(add(tenant.id, email, password=PASSWORD, roles=[ADMINISTRATOR])).user_id)
        tokens = login(self.http, email, tenant=tenant.slug).json()
        self.http.headers.update(bearer(tokens))

    def ticket(self, **more: Any) -> str:
        """A ticket for signing the document."""
        answer = self.http.post(f"{AUTH}/tickets", json={**SIGN, **MINE, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    def sign(self, ticket: str | None, **more: Any) -> Any:
        """The answer to signing it."""
        return self.http.post("/api/v1/signing/sign", json={"ticket": ticket, **more})


MakeSigner = Callable[[TestTenant, str], Signer]


@pytest.fixture
def signer(signing: ThreadedPlatform) -> Iterable[MakeSigner]:
    """`signer(tenant, "me")`: somebody who has signed in."""
    with ExitStack() as stack:
        yield lambda tenant, name: Signer(signing, stack.enter_context(ApiClient(signing)), tenant, name)


@pytest.mark.database
def test_a_ticket_proves_who_is_there_once(signing: ThreadedPlatform, signer: MakeSigner) -> None:
    me = signer(signing.create_tenant("once"), "me")
    asked = me.sign(None)
    assert asked.status_code == 403
    assert asked.json()["type"] == "urn:riveredge:problem:reauthentication-required"
    assert {name: asked.json()[name] for name in SIGN} == SIGN
    for proof in ({}, {"password": "wrong password"}):
        assert me.http.post(f"{AUTH}/tickets", json={**SIGN, **proof}).status_code == 422
    ticket = me.ticket()
    signed = me.sign(ticket)
    assert signed.status_code == 200, signed.text
    assert (signed.json()["user_id"], signed.json()["shown"]) == (me.id, ["password"])
    assert me.sign(ticket).status_code == 403


@pytest.mark.database
def test_a_ticket_is_good_for_nothing_else(signing: ThreadedPlatform, signer: MakeSigner) -> None:
    here, there = signing.create_tenant("here"), signing.create_tenant("there")
    me, other, elsewhere = signer(here, "me"), signer(here, "other"), signer(there, "me")
    assert other.sign(me.ticket()).status_code == 403, "another user's"
    assert me.sign(elsewhere.ticket()).status_code == 403, "another tenant's"
    assert me.sign(me.ticket(purpose="signing.cancel")).status_code == 403, "another purpose"
    assert me.sign(me.ticket(content_hash="sha256:" + "0" * 64)).status_code == 403, "another content"
    key = me.http.post("/api/v1/api-keys", json={"name": "k", "permissions": ["signing.document.sign"]}).json()["key"]
    with_key = me.http.post(
        "/api/v1/signing/sign", json={"ticket": me.ticket()}, headers={"Authorization": f"Bearer {key}"}
    )
    assert with_key.status_code == 403, "nobody is behind an API key"
    late = me.ticket()

    async def pass_time() -> None:
        async with signing.platform.database.system("test", signing.platform.runtime) as db:
            of_tickets = col(OneTimeToken.purpose) == "ticket"
            await db.exec(update(OneTimeToken).where(of_tickets).values(expires_at=utcnow() - timedelta(seconds=1)))

    signing.run(pass_time())
    assert me.sign(late).status_code == 403, "too old"


@pytest.mark.database
def test_a_ticket_is_used_up_together_with_what_it_was_for(signing: ThreadedPlatform, signer: MakeSigner) -> None:
    me = signer(signing.create_tenant("together"), "me")
    ticket = me.ticket()
    assert me.sign(ticket, fail=True).status_code == 409
    assert me.sign(ticket).status_code == 200, "what was rolled back did not use it up"
    ticket = me.ticket()

    async def at_once() -> list[int]:
        async with httpx2.AsyncClient(base_url=signing.base_url, headers=me.http.headers, timeout=60) as http:
            answers = await asyncio.gather(
                *(http.post("/api/v1/signing/sign", json={"ticket": ticket}) for _ in range(6))
            )
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(at_once())) == [200] + [403] * 5
