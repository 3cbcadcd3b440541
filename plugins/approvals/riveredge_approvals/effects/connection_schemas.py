"""Bodies and answers of the routes of connections."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from riveredge_sdk import Body, Resource
from riveredge_sdk.webhooks import check_headers, key_bytes

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def _is_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or not value.isprintable() or " " in value:
        raise ValueError("expected an address such as https://erp.example.com/api")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user name in the address: give a header such as Authorization")
    if parts.query or parts.fragment:
        raise ValueError("no query in the address: nodes name it with their path")
    return value


def _are_headers(value: dict[str, SecretStr] | None) -> dict[str, SecretStr] | None:
    check_headers({name: content.get_secret_value() for name, content in (value or {}).items()})
    return value


def _is_key(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(key_bytes(value.get_secret_value())) < 24:
        raise ValueError("at least 24 bytes, as text or, after whsec_, in base64")
    return value


Title = Annotated[str, Field(min_length=1, max_length=200)]
BaseUrl = Annotated[
    str,
    Field(max_length=2000, description="An https address; paths of nodes lie below it."),
    AfterValidator(_is_address),
]
Headers = Annotated[
    dict[str, SecretStr] | None,
    Field(max_length=20, description="Sent with every call; encrypted, and never returned. All of them: they replace."),
    AfterValidator(_are_headers),
]
SigningSecret = Annotated[
    SecretStr | None,
    Field(max_length=200, description="Receivers verify calls with it (Standard Webhooks); null signs none."),
    AfterValidator(_is_key),
]


class ConnectionIn(Body):
    """A new connection."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,99}$", description="By which nodes name it.")]
    title: Title
    base_url: BaseUrl
    headers: Headers = None
    signing_secret: SigningSecret = None


class ConnectionChange(Body):
    """What is to be changed. Whoever changes the host gives the secrets anew."""

    title: Title | None = None
    base_url: BaseUrl | None = None
    headers: Headers = None
    signing_secret: SigningSecret = None


class ConnectionOut(Resource):
    """A connection, without its secrets."""

    key: str
    title: str
    base_url: str
    header_names: list[str] = Field(description="Of the headers that are sent along.")
    signs: bool = Field(description="Whether calls are signed.")


class TestCallIn(Body):
    """A call, to see whether the other system answers."""

    method: Method = "GET"
    path: Annotated[str, Field(max_length=2000)] = ""
    body: Annotated[Any, Field(description="Any JSON.")] = None


class TestCallOut(BaseModel):
    """What came of it. `error` is set if the answer was no 2xx."""

    status: int | None = None
    answer: str = Field(description="The beginning of it.")
    error: str | None = None
