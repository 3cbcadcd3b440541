"""A running identity provider, a tenant that trusts it, and a browser in front of the sign-in page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant

from .browser import PROVIDERS, SignIn, setting
from .provider import OidcProvider


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider of these tests lies on this machine."""
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.0/8"]')


@pytest.fixture
def idp() -> Iterator[OidcProvider]:
    """A running provider."""
    made = OidcProvider()
    yield made
    made.close()


@pytest.fixture
def sign_in(anonymous: ApiClient, tenant: TestTenant) -> SignIn:
    """A browser in front of the tenant's sign-in page."""
    return SignIn(anonymous, tenant.slug)


@pytest.fixture
def trust(client: ApiClient, idp: OidcProvider) -> Callable[..., Any]:
    """`trust(provisions=True)`: the tenant trusts the provider."""

    def set_up(**more: Any) -> Any:
        made = client.post(PROVIDERS, json=setting(idp, **more))
        assert made.status_code == 201, made.text
        return made.json()

    return set_up


@pytest.fixture
def member(platform: ThreadedPlatform, tenant: TestTenant, idp: OidcProvider) -> str:
    """The address of a member whom the provider knows, too; they are in front of the screen."""
    email = f"ada-{tenant.slug}@example.com"
    platform.run(platform.platform.provisioning.add_member(tenant.id, email, roles=["example.writer"]))
    idp.person = {"sub": f"s-{tenant.slug}", "email": email, "email_verified": True, "name": "Ada"}
    return email
