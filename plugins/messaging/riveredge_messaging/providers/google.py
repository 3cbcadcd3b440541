"""Access to Google's services by a service account: a signed assertion for a token (RFC 7523)."""

import asyncio
import hashlib
import json
import weakref
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, BaseModel, Field

from riveredge_messaging.providers.calls import call, json_of
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import ConfigurationFailure, TemporaryFailure, UnknownOutcome

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
# Google takes no assertion that is good for longer.
_ASSERTED = timedelta(hours=1)
# A token is renewed this long before it ends.
_EARLY = timedelta(minutes=5)
_KEPT = 500


def _rsa_key(pem: str) -> str:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("expected an RSA key in PEM")
    return pem


def _token_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("expected an https address")
    return url


class ServiceAccount(BaseModel):
    """The file that the Google Cloud console gives for a service account, as far as it is needed."""

    type: Literal["service_account"]
    project_id: Annotated[str, Field(pattern=r"^[a-z0-9.:-]{1,100}$")]
    private_key_id: Annotated[str, Field(max_length=200)] = ""
    private_key: Annotated[str, Field(max_length=10_000), AfterValidator(_rsa_key)]
    client_email: Annotated[str, Field(min_length=3, max_length=320)]
    token_uri: Annotated[str, Field(max_length=500), AfterValidator(_token_address)]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: datetime


@dataclass(slots=True)
class _Kept:
    """The tokens of one event loop, by account."""

    tokens: dict[str, _Token] = field(default_factory=dict)
    locks: weakref.WeakValueDictionary[str, asyncio.Lock] = field(default_factory=weakref.WeakValueDictionary)


_kept: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept] = weakref.WeakKeyDictionary()


async def access_token(account: str, scope: str, *, refused: str | None = None) -> str:
    """A token for the account, one for all calls while it is good.

    Args:
        account: the JSON of a `ServiceAccount`.
        refused: a token that was not let in: another one is asked for.

    Raises:
        ConfigurationFailure: the account is not let in.
        TemporaryFailure: it cannot be asked now.
    """
    kept = _kept.setdefault(asyncio.get_running_loop(), _Kept())
    key = hashlib.sha256(f"{scope}\n{account}".encode()).hexdigest()
    lock = kept.locks.setdefault(key, asyncio.Lock())
    async with lock:
        found = kept.tokens.get(key)
        if found is not None and found.until > utcnow() and found.text != refused:
            return found.text
        made = await _ask(ServiceAccount.model_validate_json(account), scope)
        kept.tokens.pop(key, None)
        kept.tokens[key] = made
        if len(kept.tokens) > _KEPT:
            del kept.tokens[next(iter(kept.tokens))]
        return made.text


async def _ask(account: ServiceAccount, scope: str) -> _Token:
    now = utcnow()
    claims = {
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": int(now.timestamp()),
        "exp": int((now + _ASSERTED).timestamp()),
    }
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    assertion = jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
    form = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
    try:
        answer = await call(account.token_uri, headers=_FORM, content=form)
    except UnknownOutcome as error:
        # Nothing was sent to anybody yet.
        raise TemporaryFailure(f"No token: {error}") from None
    body = json_of(answer)
    token = body.get("access_token")
    if answer.status_code != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ConfigurationFailure(f"The service account gets no token: {_told(answer.status_code, body)}")
    return _Token(token, now + max(_seconds(body.get("expires_in")) - _EARLY, timedelta(minutes=1)))


def _seconds(given: Any) -> timedelta:
    known = isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= 86400
    return timedelta(seconds=given if known else 3600)


def _told(status: int, body: dict[str, Any]) -> str:
    return f"{body.get('error', status)} {body.get('error_description', '')}".strip()[:300]


def project_of(account: str) -> str:
    """The project of a service account's JSON."""
    return str(json.loads(account)["project_id"])
