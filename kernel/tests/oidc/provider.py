"""A small OpenID provider for tests: real HTTP, real JWTs, and everything that a malicious one could do."""

import base64
import functools
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID = "riveredge"
CLIENT_SECRET = "a secret of the platform: with / and ü"


@functools.cache
def rsa_key(kid: str, owner: str = "provider") -> RSAKey:
    """A key pair, made once in a session."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True)


class OidcProvider:
    """Signs everybody in as `person` at once. Tests change what it says: `metadata`, `person`, `claims`, `answer`.

    Attributes:
        person: the claims of whoever is in front of the screen.
        claims: overrides of the ID token's claims; None leaves one out.
        metadata: overrides of what it publishes.
        answer: overrides of what the browser is sent back with; None leaves one out.
        sign: replaces the signing, given the claims.
        seen: the forms that its token endpoint got.
    """

    def __init__(self) -> None:
        self.key = rsa_key("first")
        self.person: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.published: dict[str, Any] | None = None
        self.sign: Any = None
        self.seen: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/acme"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def get(self, request: Any) -> None:
        """Discovery, keys, the page where one signs in, and what is known about the person."""
        url = urlsplit(request.path)
        if url.path.endswith("/.well-known/openid-configuration"):
            self._send(request, self._metadata())
        elif url.path.endswith("/jwks"):
            self._send(request, self.published or dict(KeySet([self.key]).as_dict(private=False)))
        elif url.path.endswith("/authorize"):
            self._authorize(request, dict(parse_qsl(url.query)))
        elif url.path.endswith("/userinfo") and self.userinfo is not None:
            self._send(request, self.userinfo)
        else:
            self._send(request, {"error": "not_found"}, 404)

    def _metadata(self) -> dict[str, Any]:
        made = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            **({"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo is not None else {}),
        }
        return {name: value for name, value in {**made, **self.metadata}.items() if value is not None}

    def _authorize(self, request: Any, asked: dict[str, str]) -> None:
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer, **self.answer}
        query = urlencode({name: value for name, value in answer.items() if value is not None})
        request.send_response(302)
        request.send_header("Location", f"{asked['redirect_uri']}?{query}")
        request.end_headers()

    def post(self, request: Any) -> None:
        """The token endpoint."""
        length = int(request.headers.get("Content-Length", "0"))
        form = {name: values[0] for name, values in parse_qs(request.rfile.read(length).decode()).items()}
        self.seen.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["code_challenge"] != challenge.rstrip(b"=").decode():
            self._send(request, {"error": "invalid_grant"}, 400)
        elif asked["redirect_uri"] != form.get("redirect_uri") or not self._authenticates(request, form):
            self._send(request, {"error": "invalid_client"}, 401)
        else:
            token = secrets.token_urlsafe(16)
            answer = {"access_token": token, "token_type": "Bearer", "expires_in": 60, "id_token": self._token(asked)}
            self._send(request, {name: value for name, value in answer.items() if value is not None})

    @staticmethod
    def _authenticates(request: Any, form: dict[str, str]) -> bool:
        if form.get("client_secret") is not None:
            return form["client_secret"] == CLIENT_SECRET
        given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return [unquote_plus(part) for part in given.split(":")] == [CLIENT_ID, CLIENT_SECRET]

    def _token(self, asked: dict[str, str]) -> str | None:
        now = int(time.time())
        made = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in made.items() if value is not None}
        if self.sign is not None:
            signed: str | None = self.sign(claims)
            return signed
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    @staticmethod
    def _send(request: Any, body: dict[str, Any], status: int = 200) -> None:
        sent = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(sent)))
        request.end_headers()
        request.wfile.write(sent)


def unsigned(claims: dict[str, Any]) -> str:
    """A token with `alg: none` (RFC 8725 §2.1)."""
    return _parts({"alg": "none", "kid": "first"}, claims) + "."


def confused(key: RSAKey, claims: dict[str, Any]) -> str:
    """A token that is signed with the public key as if it were a shared secret."""
    signing_input = _parts({"alg": "HS256", "kid": key.kid}, claims)
    # By hand: a library that is any good refuses to.
    signature = hmac.digest(key.as_pem(private=False), signing_input.encode(), "sha256")
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _parts(*parts: dict[str, Any]) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
