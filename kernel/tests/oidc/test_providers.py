"""Setting up identity providers."""

from collections.abc import Callable
from typing import Any

import pytest

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .browser import NOTES, PROVIDERS, SignIn, bearer, setting
from .provider import CLIENT_SECRET, OidcProvider

pytestmark = pytest.mark.database


def test_setting_up_a_provider_takes_every_permission(
    platform: ThreadedPlatform, client: ApiClient, as_user: AsUser, idp: OidcProvider
) -> None:
    almost = as_user(set(platform.permissions) - {"example.note.write"})
    refused = almost.post(PROVIDERS, json=setting(idp))
    assert (refused.status_code, refused.json()["missing_permissions"]) == (403, ["example.note.write"])
    made = client.post(PROVIDERS, json=setting(idp)).json()
    place, headers = f"{PROVIDERS}/{made['id']}", {"If-Match": '"1"'}
    assert almost.patch(place, json={"issuer": "https://evil.example"}, headers=headers).status_code == 403
    assert almost.delete(place, headers=headers).status_code == 403


def test_the_client_secret_is_never_shown_and_goes_nowhere_else(
    platform: ThreadedPlatform, client: ApiClient, trust: Callable[..., Any], idp: OidcProvider
) -> None:
    made = trust()
    place = f"{PROVIDERS}/{made['id']}"
    assert made["has_secret"]
    for answer in (client.get(place), client.get(PROVIDERS)):
        assert CLIENT_SECRET not in answer.text
        assert "client_secret" not in answer.json()
    elsewhere = client.patch(place, json={"issuer": "https://evil.example"}, headers={"If-Match": '"1"'})
    assert elsewhere.json()["errors"][0]["code"] == "secret_redirected"
    anew = {"issuer": "https://login.example", "client_secret": "another"}
    assert client.patch(place, json=anew, headers={"If-Match": '"1"'}).json()["issuer"] == "https://login.example"


def test_a_provider_lives(client: ApiClient, trust: Callable[..., Any], idp: OidcProvider, tenant: TestTenant) -> None:
    made = trust()
    place = f"{PROVIDERS}/{made['id']}"
    assert made["redirect_uri"].endswith(f"/api/v1/auth/oidc/callback/{tenant.slug}/acme")
    assert client.post(PROVIDERS, json=setting(idp)).status_code == 409
    checked = client.post(f"{place}/check").json()
    assert (checked["works"], checked["algorithms"]) == (True, ["RS256"])
    changed = client.patch(place, json={"title": "Acme SSO"}, headers={"If-Match": '"1"'})
    assert changed.json()["title"] == "Acme SSO"
    assert client.patch(place, json={"title": "x"}, headers={"If-Match": '"1"'}).status_code == 412
    for wrong in (
        {"issuer": "javascript:alert(1)"},
        {"issuer": "https://u@example.com"},
        {"issuer": "https://example.com/?a=b"},
        {"default_roles": ["no.role"]},
        {"group_roles": [{"group": "g", "role": "no.role"}]},
        {"email_domains": ["@"]},
        {"scopes": ["a b"]},
        {"key": "other"},
        {"tenant_id": str(tenant.id)},
    ):
        assert client.patch(place, json=wrong, headers={"If-Match": '"2"'}).status_code == 422, wrong
    assert client.delete(place, headers={"If-Match": '"2"'}).status_code == 204
    assert client.get(place).status_code == 404


def test_providers_of_others_are_out_of_reach(
    platform: ThreadedPlatform, as_user: AsUser, trust: Callable[..., Any], other_tenant: TestTenant
) -> None:
    place = f"{PROVIDERS}/{trust()['id']}"
    stranger = as_user(platform.permissions, tenant=other_tenant)
    assert stranger.get(place).status_code == 404
    assert stranger.patch(place, json={}, headers={"If-Match": '"1"'}).status_code == 404
    assert stranger.delete(place, headers={"If-Match": '"1"'}).status_code == 404
    assert stranger.post(f"{place}/check").status_code == 404
    assert stranger.get(f"{place}/identities").status_code == 404


def test_the_operators_network_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, client: ApiClient, sign_in: SignIn, trust: Callable[..., Any], idp: OidcProvider
) -> None:
    place = f"{PROVIDERS}/{trust()['id']}"
    monkeypatch.delenv("RIVEREDGE_OUTBOUND__ALLOW")
    checked = client.post(f"{place}/check").json()
    assert not checked["works"]
    assert "private address" in checked["problem"]


def test_a_provider_that_points_inside_is_not_followed(
    client: ApiClient, sign_in: SignIn, trust: Callable[..., Any], member: str, idp: OidcProvider
) -> None:
    trust()
    idp.metadata = {"jwks_uri": "http://169.254.169.254/latest/meta-data"}
    assert sign_in.whole() == "provider_unreachable"


@pytest.mark.parametrize("how", ["switched off", "deleted", "another issuer", "unlinked"])
def test_a_provider_that_is_trusted_no_longer_ends_its_sessions(
    client: ApiClient, sign_in: SignIn, trust: Callable[..., Any], member: str, how: str
) -> None:
    place = f"{PROVIDERS}/{trust()['id']}"
    answer = sign_in.whole()
    headers = bearer(answer)
    assert sign_in.client.get(NOTES, headers=headers).status_code == 200
    (identity,) = client.get(f"{place}/identities").json()["items"]
    seen = {"If-Match": '"1"'}
    done = {
        "switched off": lambda: client.patch(place, json={"active": False}, headers=seen),
        "deleted": lambda: client.delete(place, headers=seen),
        "another issuer": lambda: client.patch(
            place, json={"issuer": "https://login.example", "client_secret": "x"}, headers=seen
        ),
        "unlinked": lambda: client.delete(
            f"{place}/identities/{identity['id']}", headers={"If-Match": f'"{identity["version"]}"'}
        ),
    }[how]()
    assert done.status_code in {200, 204}, done.text
    assert sign_in.client.get(NOTES, headers=headers).status_code == 401
    again = {"refresh_token": answer.json()["refresh_token"]}
    assert sign_in.client.post("/api/v1/auth/refresh", json=again).status_code == 401
