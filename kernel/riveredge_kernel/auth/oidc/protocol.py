"""OpenID Connect, the client's side: discovery, the authorization code flow with PKCE, and checking what comes back.

Everything that a provider says is checked before it is used (OpenID Connect Core 1.0 §3.1.3.7, RFC 9700). Its addresses
are a tenant's input, so they are called through the guarded client.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet, import_key

from riveredge_sdk.outbound import outbound_client, outbound_transport

# Signatures only: a provider's public key must never do as a shared secret (RFC 8725 §2.1).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 120
_SECONDS = 20
_METADATA_SECONDS = 3600
_REMEMBERED = 1000
_MAX_KEYS = 100
_MAX_TOKEN = 100_000


class OidcError(Exception):
    """A sign-in that cannot go on. `code` is for clients, the message for the log and whoever sets the provider up."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The platform, as it is registered at a provider."""

    issuer: str
    client_id: str
    client_secret: str | None
    redirect_uri: str
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a provider says about itself. `answers_with_issuer`: its answers name it (RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    auth_methods: tuple[str, ...]
    answers_with_issuer: bool


@dataclass(slots=True)
class _Known:
    read_at: float
    metadata: Metadata
    keys: KeySet | None = field(default=None)


class OidcProtocol:
    """Speaks with providers. Remembers what they publish for an hour, their keys until they sign with others."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    async def metadata(self, issuer: str, *, anew: bool = False) -> Metadata:
        """What the provider publishes.

        Raises:
            OidcError: it cannot be reached, or says what must not be believed.
        """
        return (await self._find(issuer, anew=anew)).metadata

    async def authorization_url(self, client: Client, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send the person.

        Raises:
            OidcError: the provider cannot be reached.
        """
        metadata = await self.metadata(client.issuer)
        async with _oauth(client, metadata) as oauth:
            url, _ = oauth.create_authorization_url(
                metadata.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    async def claims(
        self, client: Client, *, code: str, verifier: str, nonce: str, wanted: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """What the provider says about the person, in exchange for the code.

        Args:
            wanted: claims that are asked for at the userinfo endpoint where the ID token lacks them.

        Raises:
            OidcError: the code is not good, or the answer must not be believed.
        """
        known = await self._find(client.issuer)
        try:
            async with asyncio.timeout(_SECONDS), _oauth(client, known.metadata) as oauth:
                tokens = await oauth.fetch_token(
                    known.metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=client.redirect_uri,
                    code_verifier=verifier,
                )
        except OAuthError as error:
            raise OidcError("provider_refused", f"the provider refused the code: {error.error}"[:500]) from None
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise OidcError("provider_unreachable", f"token endpoint: {type(error).__name__}: {error}"[:500]) from None
        claims = await self._id_token(known, client, tokens, nonce)
        endpoint = known.metadata.userinfo_endpoint
        if endpoint and any(name not in claims for name in wanted):
            return {**await _userinfo(endpoint, tokens, str(claims["sub"])), **claims}
        return claims

    async def _id_token(self, known: _Known, client: Client, tokens: Any, nonce: str) -> dict[str, Any]:
        token = tokens.get("id_token")
        if not isinstance(token, str) or len(token) > _MAX_TOKEN:
            raise OidcError("token_refused", "the provider gave no ID token")
        algorithms = list(known.metadata.algorithms)
        try:
            try:
                decoded = jwt.decode(token, await self._keys(known), algorithms=algorithms)
            except InvalidKeyIdError:
                # The provider has changed its keys.
                decoded = jwt.decode(token, await self._keys(known, anew=True), algorithms=algorithms)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": known.metadata.issuer},
                    "aud": {"essential": True, "value": client.client_id},
                },
                {"nonce": nonce, "client_id": client.client_id, "access_token": tokens.get("access_token")},
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OidcError("token_refused", f"ID token: {type(error).__name__}: {error}"[:500]) from None
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise OidcError("token_refused", "ID token: no usable subject")
        return dict(claims)

    async def _keys(self, known: _Known, *, anew: bool = False) -> KeySet:
        if known.keys is None or anew:
            published = (await _get_json(known.metadata.jwks_uri)).get("keys")
            known.keys = KeySet([key for one in _objects(published)[:_MAX_KEYS] if (key := _public_key(one))])
        return known.keys

    async def _find(self, issuer: str, *, anew: bool = False) -> _Known:
        known = self._known.get(issuer)
        if known is None or anew or time.monotonic() - known.read_at > _METADATA_SECONDS:
            known = _Known(time.monotonic(), await _discover(issuer))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[issuer] = known
        return known


def _oauth(client: Client, metadata: Metadata) -> Any:
    method, client_id, secret = "none", client.client_id, client.client_secret
    if secret and "client_secret_post" in metadata.auth_methods:
        method = "client_secret_post"
    elif secret:
        # RFC 6749 §2.3.1 has both encoded before they are put into the header.
        method, client_id, secret = "client_secret_basic", quote_plus(client_id), quote_plus(secret)
    return AsyncOAuth2Client(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        scope=" ".join(client.scopes),
        redirect_uri=client.redirect_uri,
        code_challenge_method="S256",
        transport=outbound_transport(),
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
        timeout=_SECONDS,
    )


async def _discover(issuer: str) -> Metadata:
    found = await _get_json(get_well_known_url(issuer, external=True))
    if found.get("issuer") != issuer:
        raise OidcError("provider_misconfigured", f"the provider calls itself {str(found.get('issuer'))[:200]!r}")
    plain = urlsplit(issuer).scheme == "http"

    def address(name: str) -> str:
        value = found.get(name)
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or not parts.netloc or parts.scheme not in ({"http", "https"} if plain else {"https"}):
            raise OidcError("provider_misconfigured", f"{name} is no https address")
        return str(value)

    offered = _texts(found.get("id_token_signing_alg_values_supported")) or ("RS256",)
    algorithms = tuple(name for name in ALGORITHMS if name in offered)
    if not algorithms:
        raise OidcError("provider_misconfigured", f"none of its signature algorithms is accepted: {offered}"[:300])
    return Metadata(
        issuer=issuer,
        authorization_endpoint=address("authorization_endpoint"),
        token_endpoint=address("token_endpoint"),
        jwks_uri=address("jwks_uri"),
        userinfo_endpoint=address("userinfo_endpoint") if found.get("userinfo_endpoint") else None,
        algorithms=algorithms,
        auth_methods=_texts(found.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
        answers_with_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


async def _userinfo(endpoint: str, tokens: Any, subject: str) -> dict[str, Any]:
    told = await _get_json(endpoint, {"Authorization": f"Bearer {tokens.get('access_token')}"})
    # Core §5.3.2: else it may be about somebody else.
    return told if told.get("sub") == subject else {}


async def _get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_SECONDS), outbound_client() as client:
            answer = await client.get(url, headers={"Accept": "application/json", **(headers or {})})
            answer.raise_for_status()
            found = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
        message = f"{url[:200]}: {type(error).__name__}: {error}"
        raise OidcError("provider_unreachable", message[:500]) from None
    if not isinstance(found, dict):
        raise OidcError("provider_misconfigured", f"{url[:200]} gives no JSON object")
    return found


def _public_key(described: dict[str, Any]) -> Key | None:
    # A shared secret that a provider publishes is none; a key of a kind that is not known here is of no use.
    if described.get("kty") not in {"RSA", "EC", "OKP"} or described.get("use", "sig") != "sig":
        return None
    try:
        return import_key(described)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
