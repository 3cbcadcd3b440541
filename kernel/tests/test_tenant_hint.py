"""Which organisation a request is for: the token, the header and the sub-domain; and contradictions between them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant

pytestmark = pytest.mark.database

NOTES = "/api/v1/example/notes"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def platform(database_kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedPlatform]:
    """A platform whose organisations have sub-domains of river.test."""
    http = {"tenant_domain": "river.test", "allowed_hosts": ["river.test"]}
    with start(database_kind, tmp_path_factory.mktemp("hint"), http=http) as made:
        yield made


@pytest.fixture
def undecided(
    platform: ThreadedPlatform, anonymous: ApiClient, tenant: TestTenant, other_tenant: TestTenant
) -> dict[str, str]:
    """Headers of a member of both organisations who has chosen neither."""
    email = f"ada-{tenant.slug}@example.com"
    for one in (tenant, other_tenant):
        add = platform.platform.provisioning.add_member
        platform.run(add(one.id, email, password=PASSWORD, roles=["example.writer"]))
    at_home = {"Host": "river.test"}
    answer = anonymous.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}, headers=at_home).json()
    assert answer["tenant"] is None
    return {"Authorization": f"Bearer {answer['access_token']}", **at_home}


def write(client: ApiClient, title: str, headers: dict[str, str]) -> Any:
    """The answer to a note."""
    return client.post(NOTES, json={"title": title}, headers=headers)


def titles(client: ApiClient, headers: dict[str, str]) -> list[str]:
    """The notes that are seen."""
    answer = client.get(NOTES, headers=headers)
    assert answer.status_code == 200, answer.text
    return [note["title"] for note in answer.json()["items"]]


def test_the_header_or_the_sub_domain_chooses_for_a_token_without_an_organisation(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, other_tenant: TestTenant
) -> None:
    assert anonymous.get(NOTES, headers=undecided).status_code == 403
    ours = {**undecided, "X-Tenant": tenant.slug}
    theirs = {**undecided, "Host": f"{other_tenant.slug.upper()}.river.test:8000"}
    assert write(anonymous, "ours", ours).status_code == 201
    assert write(anonymous, "theirs", theirs).status_code == 201
    assert titles(anonymous, {**undecided, "Host": f"{tenant.slug}.river.test"}) == ["ours"]
    assert titles(anonymous, {**undecided, "X-Tenant": other_tenant.slug}) == ["theirs"]
    both_agree = {**undecided, "X-Tenant": tenant.slug, "Host": f"{tenant.slug}.river.test"}
    assert titles(anonymous, both_agree) == ["ours"]


def test_a_token_is_not_widened_by_header_or_sub_domain(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, other_tenant: TestTenant
) -> None:
    chosen = anonymous.post("/api/v1/auth/token", json={"tenant": tenant.slug}, headers=undecided).json()
    bound = {"Authorization": f"Bearer {chosen['access_token']}", "Host": "river.test"}
    assert anonymous.get(NOTES, headers=bound).status_code == 200
    answers = [anonymous.get(NOTES, headers={**bound, "X-Tenant": slug}) for slug in (other_tenant.slug, "nowhere")] + [
        anonymous.get(NOTES, headers={**bound, "Host": f"{slug}.river.test"}) for slug in (other_tenant.slug, "nowhere")
    ]
    assert {answer.status_code for answer in answers} == {403}, "a member of both, but the token is for one"
    unlike = [answer.json()["detail"].replace(other_tenant.slug, "nowhere") for answer in answers]
    assert unlike == [unlike[0]] * 4, "whether there is such an organisation is not told"


def test_who_is_no_member_is_not_told_whether_there_is_such_an_organisation(
    platform: ThreadedPlatform, anonymous: ApiClient, undecided: dict[str, str]
) -> None:
    stranger = platform.create_tenant("s" + undecided["Authorization"][-8:].lower().replace("_", "x").replace("-", "y"))
    told = {
        anonymous.get(NOTES, headers={**undecided, "Host": f"{slug}.river.test"}).json()["detail"].replace(slug, "it")
        for slug in (stranger.slug, "nowhere")
    }
    assert len(told) == 1


def test_a_request_that_contradicts_itself_is_refused(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, other_tenant: TestTenant
) -> None:
    other = {**undecided, "X-Tenant": tenant.slug, "Host": f"{other_tenant.slug}.river.test"}
    assert anonymous.get(NOTES, headers=other).status_code == 400
    twice = [*undecided.items(), ("X-Tenant", tenant.slug), ("X-Tenant", other_tenant.slug)]
    assert anonymous.get(NOTES, headers=twice).status_code == 400
    for odd in ("", "*", f"{tenant.slug},{other_tenant.slug}", f"{tenant.slug}.river.test", "A" * 64, "../x"):
        assert anonymous.get(NOTES, headers={**undecided, "X-Tenant": odd}).status_code == 400, odd


@pytest.mark.parametrize(
    "host",
    ["{}.evil.test", "evil.{}.river.test", "{}.river.test.evil.test", "river.test@{}.evil.test", "{}-river.test"],
)
def test_an_address_that_only_looks_like_one_of_ours_chooses_nothing(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, host: str
) -> None:
    answer = anonymous.get(NOTES, headers={**undecided, "Host": host.format(tenant.slug)})
    assert answer.status_code in {400, 403}
    ours = f"{tenant.slug}.river.test"
    forwarded = {"X-Forwarded-Host": ours, "Forwarded": f"host={ours}"}
    assert anonymous.get(NOTES, headers={**undecided, **forwarded}).status_code == 403


def test_signing_in_at_an_address_is_for_that_organisation(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, other_tenant: TestTenant
) -> None:
    login = {"email": f"ada-{tenant.slug}@example.com", "password": PASSWORD}
    at = {"Host": f"{other_tenant.slug}.river.test"}
    answer = anonymous.post("/api/v1/auth/login", json=login, headers=at)
    assert answer.json()["tenant"]["slug"] == other_tenant.slug
    contrary = anonymous.post("/api/v1/auth/login", json={**login, "tenant": tenant.slug}, headers=at)
    assert contrary.status_code == 400


def test_one_sees_and_switches_between_ones_organisations(
    anonymous: ApiClient, undecided: dict[str, str], tenant: TestTenant, other_tenant: TestTenant
) -> None:
    def mine(headers: dict[str, str]) -> dict[str, bool]:
        answer = anonymous.get("/api/v1/auth/tenants", headers=headers)
        assert answer.status_code == 200, answer.text
        for one in answer.json():
            assert one["active"]
            assert f"//{one['slug']}.river.test:" in one["url"]
        return {one["slug"]: one["current"] for one in answer.json()}

    assert mine(undecided) == {tenant.slug: False, other_tenant.slug: False}
    headers = undecided
    for chosen in (tenant, other_tenant, tenant):
        switched = anonymous.post("/api/v1/auth/token", json={"tenant": chosen.slug}, headers=headers).json()
        headers = {"Authorization": f"Bearer {switched['access_token']}", "Host": "river.test"}
        assert mine(headers) == {one.slug: one == chosen for one in (tenant, other_tenant)}


def test_a_sign_in_by_a_provider_may_come_back_to_the_organisations_own_address(
    anonymous: ApiClient, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    port = anonymous.base_url.port
    for slug, status in ((tenant.slug, 404), (other_tenant.slug, 422), (f"{tenant.slug}.evil", 422)):
        body = {"provider": "acme", "redirect_to": f"http://{slug}.river.test:{port}/"}
        at = {"Host": f"{tenant.slug}.river.test"}
        started = anonymous.post("/api/v1/auth/oidc/start", json=body, headers=at)
        assert started.status_code == status, (slug, started.text)


def test_sub_domains_are_allowed_hosts_in_production(tmp_path: Path) -> None:
    settings = Settings(
        var_dir=tmp_path,
        environment="production",
        public_url="https://river.test",
        http={"tenant_domain": "river.test"},
    )
    assert settings.hosts == ["river.test", "*.river.test"]
