"""A browser that signs in with an identity provider, step by step."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from .provider import CLIENT_ID, CLIENT_SECRET, OidcProvider

NOTES = "/api/v1/example/notes"
PROVIDERS = "/api/v1/identity-providers"


def setting(idp: OidcProvider, **more: Any) -> dict[str, Any]:
    """The body that trusts the provider."""
    return {
        "key": "acme",
        "title": "Acme",
        "issuer": idp.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        **more,
    }


@dataclass
class SignIn:
    """A browser that signs in at a tenant."""

    client: httpx2.Client
    tenant: str
    provider: str = "acme"

    def start(self, redirect_to: str = "/apps/console/") -> Any:
        """The answer of the first step."""
        body = {"tenant": self.tenant, "provider": self.provider, "redirect_to": redirect_to}
        return self.client.post("/api/v1/auth/oidc/start", json=body)

    def visit(self, started: Any) -> str:
        """Where the provider sends the browser."""
        assert started.status_code == 200, started.text
        return str(httpx2.get(started.json()["authorization_url"]).headers["location"])

    def come_back(self, address: str) -> dict[str, str]:
        """With what the platform sends the browser on."""
        answer = self.client.get(address)
        assert answer.status_code == 303, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def complete(self, ticket: str, started: Any) -> Any:
        """The answer of the last step."""
        return self.client.post(
            "/api/v1/auth/oidc/complete", json={"ticket": ticket, "secret": started.json()["secret"]}
        )

    def whole(self) -> Any:
        """The answer of the last step, or the error of the one before."""
        started = self.start()
        back = self.come_back(self.visit(started))
        return self.complete(back["ticket"], started) if "ticket" in back else back["error"]


def bearer(answer: Any) -> dict[str, str]:
    """The headers of whoever has just signed in."""
    assert not isinstance(answer, str), answer
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
