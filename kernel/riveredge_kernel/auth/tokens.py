"""Access tokens: short-lived JWTs (RFC 9068) signed with Ed25519 (RFC 8037), good for one session in one tenant."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from riveredge_sdk.problems import Unauthorized

ALGORITHM = "EdDSA"
ISSUER = "riveredge"
# Nothing else that is signed with the key, now or later, passes for an access token (RFC 8725 §3.11).
TYPE = "at+jwt"

# Verified tokens are remembered: checking a signature costs more than the rest of a small request.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Who a token is for, and until when (Unix seconds). `bound`: its session may act in this tenant only."""

    user_id: UUID
    session_id: UUID
    tenant_id: UUID | None
    expires_at: int
    bound: bool = False


class TokenService:
    """Issues and reads access tokens."""

    def __init__(self, key: Ed25519PrivateKey, *, minutes: int) -> None:
        self._key = key
        self._public = key.public_key()
        raw = self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._key_id = hashlib.sha256(raw).hexdigest()[:16]
        self.seconds = minutes * 60
        self._verified: dict[str, TokenClaims] = {}

    def issue(self, user_id: UUID, session_id: UUID, *, tenant_id: UUID | None = None, bound: bool = False) -> str:
        """A token for the user's session, in the tenant."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": now,
            "exp": now + self.seconds,
        }
        if tenant_id is not None:
            claims["tid"] = str(tenant_id)
        if bound:
            claims["bnd"] = True
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id, "typ": TYPE})

    def public_pem(self) -> str:
        """The key that verifies tokens, for others that accept them."""
        return self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def read(self, token: str) -> TokenClaims:
        """The claims of a good token.

        Raises:
            Unauthorized: it is none, or it has expired.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.expires_at <= time.time():
            raise Unauthorized("The access token has expired. Sign in again.")
        return claims

    def _verify(self, token: str) -> TokenClaims:
        try:
            decoded = jwt.decode_complete(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=ISSUER,
                options={"require": ["exp", "sub", "sid"]},
            )
            claims, tenant = decoded["payload"], decoded["payload"].get("tid")
            if decoded["header"].get("typ") != TYPE:
                raise ValueError("another kind of token")
            return TokenClaims(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                tenant_id=UUID(tenant) if tenant else None,
                expires_at=int(claims["exp"]),
                bound=bool(claims.get("bnd")),
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The access token has expired. Sign in again.") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthorized("The access token is not one of ours. Sign in again.") from None
