"""Everything that a malicious provider, or somebody between, could try."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlmodel import select

from riveredge_kernel.auth.oidc.models import OidcAttempt
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.models import utcnow
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .browser import PROVIDERS, SignIn, setting
from .provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, confused, rsa_key, unsigned

pytestmark = pytest.mark.database


def tampering(idp: OidcProvider) -> dict[str, Callable[[], None]]:
    """What a provider, or somebody between, could send as an ID token."""
    other = rsa_key("first", "somebody else")
    now = int(time.time())

    def signed_by(key: Any, **header: Any) -> Callable[[dict[str, Any]], str]:
        return lambda claims: jwt.encode({"alg": "RS256", "kid": "first", **header}, claims, key)

    def claims(**changed: Any) -> Callable[[], None]:
        return lambda: idp.claims.update(changed)

    def signing(sign: Callable[[dict[str, Any]], str | None]) -> Callable[[], None]:
        return lambda: setattr(idp, "sign", sign)

    return {
        "another nonce": claims(nonce="x"),
        "no nonce": claims(nonce=None),
        "another audience": claims(aud="another client"),
        "several audiences without a party": claims(aud=[CLIENT_ID, "another"]),
        "another party": claims(aud=[CLIENT_ID, "another"], azp="another"),
        "no audience": claims(aud=None),
        "another issuer": claims(iss="https://evil.example"),
        "no issuer": claims(iss=None),
        "expired": claims(exp=now - 300, iat=now - 600),
        "no expiry": claims(exp=None),
        "from the future": claims(iat=now + 3600, nbf=now + 3600),
        "no subject": claims(sub=None),
        "another access token": claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
        "no algorithm": signing(unsigned),
        "the public key as a shared secret": signing(lambda c: confused(idp.key, c)),
        "the client secret as a key": signing(
            lambda c: jwt.encode({"alg": "HS256"}, c, OctKey.import_key(CLIENT_SECRET.encode().ljust(64)))
        ),
        "another key": signing(signed_by(other)),
        "a key of its own in the header": signing(signed_by(other, jwk=other.as_dict(private=False))),
        "an unknown key": signing(signed_by(other, kid="unknown")),
        "no token": signing(lambda _: None),
        "no JWT": signing(lambda _: "x.y.z"),
        "a huge token": signing(lambda _: "x" * 200_000),
    }


@pytest.mark.parametrize("how", sorted(tampering(OidcProvider.__new__(OidcProvider))))
def test_a_token_that_is_not_for_this_very_sign_in_is_refused(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider, how: str
) -> None:
    trust()
    tampering(idp)[how]()
    assert sign_in.whole() == "token_refused"


def test_a_shared_secret_among_the_published_keys_is_no_key(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    shared = OctKey.generate_key(256, {"kid": "shared"})
    idp.published = {"keys": [{**shared.as_dict(), "kid": "shared"}, "odd", {"kty": "RSA"}]}
    idp.sign = lambda claims: jwt.encode({"alg": "HS256", "kid": "shared"}, claims, shared)
    assert sign_in.whole() == "token_refused"


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"issuer": "https://evil.example"}, 503),
        ({"authorization_endpoint": "javascript:alert(1)"}, 503),
        ({"authorization_endpoint": None}, 503),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, 503),
        ({"token_endpoint": "file:///etc/passwd"}, 503),
    ],
    ids=str,
)
def test_a_provider_that_is_not_what_it_says_is_not_asked(
    sign_in: SignIn, trust: Callable[..., Any], idp: OidcProvider, metadata: dict[str, Any], error: int
) -> None:
    trust()
    idp.metadata = metadata
    assert sign_in.start().status_code == error


@pytest.mark.parametrize("issuer", ["https://evil.example", None, ""], ids=str)
def test_an_answer_of_another_provider_is_refused(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider, issuer: str | None
) -> None:
    trust()
    idp.answer = {"iss": issuer}
    assert sign_in.whole() == "wrong_issuer"
    assert idp.seen == [], "the code is not given to anybody"


def test_the_answer_to_one_provider_is_not_taken_from_another(
    sign_in: SignIn, trust: Callable[..., Any], client: ApiClient, member: str, idp: OidcProvider
) -> None:
    """The mix-up attack (RFC 9700 §4.4): the state of an honest provider's sign-in at a malicious one's address."""
    trust()
    evil = OidcProvider()
    assert client.post(PROVIDERS, json=setting(evil, key="evil")).status_code == 201
    started = sign_in.start()
    honest = sign_in.visit(started)
    mixed = honest.replace("/acme?", "/evil?")
    assert sign_in.client.get(mixed).status_code == 400
    assert evil.seen == []
    assert "ticket" in sign_in.come_back(honest), "the honest answer still counts"
    evil.close()


def test_an_answer_at_another_organisations_address_is_refused(
    platform: ThreadedPlatform,
    as_user: AsUser,
    sign_in: SignIn,
    trust: Callable[..., Any],
    *,
    member: str,
    idp: OidcProvider,
    other_tenant: TestTenant,
) -> None:
    trust()
    theirs = as_user(platform.permissions, tenant=other_tenant)
    assert theirs.post(PROVIDERS, json=setting(idp)).status_code == 201
    address = sign_in.visit(sign_in.start())
    elsewhere = address.replace(f"/{sign_in.tenant}/", f"/{other_tenant.slug}/")
    assert sign_in.client.get(elsewhere).status_code == 400
    assert idp.seen == []


def test_state_code_and_ticket_count_once(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    started = sign_in.start()
    address = sign_in.visit(started)
    ticket = sign_in.come_back(address)["ticket"]
    assert sign_in.client.get(address).status_code == 400, "the answer again"
    assert sign_in.complete(ticket, started).status_code == 200
    assert sign_in.complete(ticket, started).status_code == 401, "the ticket again"


@pytest.mark.parametrize("state", [None, "", "x", "%00", "a" * 3000])
def test_an_answer_without_a_sign_in_is_refused(
    sign_in: SignIn, trust: Callable[..., Any], member: str, state: str | None
) -> None:
    trust()
    parts = urlsplit(sign_in.visit(sign_in.start()))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | {"state": state or ""}
    if state is None:
        del query["state"]
    answer = sign_in.client.get(urlunsplit(parts._replace(query=urlencode(query))))
    assert answer.status_code == 400, answer.text


def test_a_planted_or_stolen_ticket_is_of_no_use(sign_in: SignIn, trust: Callable[..., Any], member: str) -> None:
    """Login CSRF: the victim's browser comes back with the attacker's ticket, or the attacker has seen the victim's."""
    trust()
    attackers, victims = sign_in.start(), sign_in.start()
    ticket = sign_in.come_back(sign_in.visit(attackers))["ticket"]
    assert sign_in.complete(ticket, victims).status_code == 401
    assert sign_in.complete(victims.json()["secret"], victims).status_code == 401
    assert sign_in.complete(ticket, attackers).status_code == 200


def test_what_the_provider_refuses_is_told_by_a_code_only(
    sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    for said, told in (("access_denied", "access_denied"), ("<script>", "provider_refused")):
        idp.answer = {"code": None, "error": said}
        assert sign_in.whole() == told
    idp.answer = {"code": None}
    assert sign_in.whole() == "provider_refused"
    idp.answer = {"code": "somebody else's"}
    assert sign_in.whole() == "provider_refused"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "http:evil.example",
        "https:///evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "apps/console",
        "",
        "/x\r\nSet-Cookie: a=b",
        "http://127.0.0.1@evil.example/",
        "http://[::1",
        "/x#fragment",
    ],
)
def test_the_browser_is_sent_nowhere_else(sign_in: SignIn, trust: Callable[..., Any], target: str) -> None:
    trust()
    answer = sign_in.start(target)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "redirect_to"


def test_a_forged_host_does_not_change_where_the_provider_answers(
    sign_in: SignIn, trust: Callable[..., Any], platform: ThreadedPlatform
) -> None:
    trust()
    body = {"tenant": sign_in.tenant, "provider": "acme", "redirect_to": "/apps/"}
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    started = sign_in.client.post("/api/v1/auth/oidc/start", json=body, headers=forged).json()
    asked = dict(parse_qsl(urlsplit(started["authorization_url"]).query))
    assert asked["redirect_uri"].startswith(platform.base_url)


def test_of_simultaneous_tries_one_succeeds(
    platform: ThreadedPlatform, sign_in: SignIn, trust: Callable[..., Any], member: str
) -> None:
    trust()
    started = sign_in.start()
    address = sign_in.visit(started)

    async def at_once(ask: Callable[[httpx2.AsyncClient], Any]) -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
            return list(await asyncio.gather(*(ask(http) for _ in range(6))))

    answers = asyncio.run(at_once(lambda http: http.get(address)))
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400, 400, 400]
    (location,) = (answer.headers["location"] for answer in answers if answer.status_code == 303)
    body = {"ticket": dict(parse_qsl(urlsplit(location).query))["ticket"], "secret": started.json()["secret"]}
    answers = asyncio.run(at_once(lambda http: http.post("/api/v1/auth/oidc/complete", json=body)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]


def test_strangers_who_begin_sign_ins_disturb_nobody(
    platform: ThreadedPlatform, sign_in: SignIn, trust: Callable[..., Any]
) -> None:
    """Each leaves a row of the organisation's, but nobody's rights hang on it: caches and streams stay as they are."""
    trust()
    seen: list[Any] = []
    database = platform.platform.database
    before = database.on_grants
    database.on_grants = seen.append
    try:
        assert sign_in.start().status_code == 200
        platform.run(platform.platform.auth.oidc.prune())
    finally:
        database.on_grants = before
    assert seen == []


def test_a_sign_in_that_takes_too_long_is_forgotten(
    platform: ThreadedPlatform, sign_in: SignIn, trust: Callable[..., Any], member: str
) -> None:
    trust()
    started = sign_in.start()
    address = sign_in.visit(started)

    async def late() -> int:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            for attempt in await session.exec(select(OidcAttempt)):
                attempt.expires_at = utcnow() - timedelta(seconds=1)
        return await platform.platform.auth.oidc.prune()

    ticket = sign_in.come_back(sign_in.visit(other := sign_in.start()))["ticket"]
    assert platform.run(late()) >= 2
    assert sign_in.client.get(address).status_code == 400
    assert sign_in.complete(ticket, other).status_code == 401
