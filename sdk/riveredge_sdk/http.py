"""REST: routers, resources, pages and versions.

    router = Router(prefix="/templates", tag="Templates")

    @router.get("/{template_id}", require="messaging.template.read")
    async def get_template(template_id: UUID) -> TemplateOut: ...

Every route names the permission it needs, or says `public=True`. The kernel opens the unit of work before the endpoint
and commits after it returned and before the answer leaves, so an endpoint only works with `session()` and `publish()`.
Operation ids are `<plugin>.<endpoint name>`.
"""

import math
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Depends, Header
from pydantic import BaseModel, ConfigDict, Field, model_validator

from riveredge_sdk.problems import BadRequest, PreconditionRequired

Endpoint = TypeVar("Endpoint", bound=Callable[..., Coroutine[Any, Any, Any]])
ItemT = TypeVar("ItemT")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Serves = Callable[[Mapping[str, Any]], UUID | None]

MAX_PAGE = 200
# How deep lists and objects nest in one field of a body.
MAX_BODY_DEPTH = 32

_SURROGATE = re.compile("[\ud800-\udfff]")
# A version, as `etag` writes it; weakened, as proxies that compress do it; or without quotation marks.
_ETAG = re.compile(r'(?:W/)?("?)([0-9]{1,18})\1')


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One declared operation.

    `require` is a permission id; `public` means that nobody needs to be signed in; `signed_in` means that being
    somebody is enough (a person's own things, also before a tenant is chosen). API keys are limited to the permissions
    they name, so a `signed_in` route is closed to them unless it says `api_keys`. `audit` is the kind of object whose
    changes the audit log is told; False for none of it, None for what the kernel does by itself: its own routes.
    `serves` is for `public` routes that somebody reaches by an address which the platform gave them: it reads the
    tenant from the path's parameters, or says None.
    """

    method: Method
    path: str
    endpoint: Callable[..., Coroutine[Any, Any, Any]]
    require: str | None
    public: bool
    signed_in: bool
    api_keys: bool = False
    audit: str | bool | None = None
    serves: Serves | None = None
    status: int
    tag: str
    options: Mapping[str, Any]


@dataclass(slots=True)
class Router:
    """A group of routes below `prefix`. `tag` is the heading in the API's documentation.

    `audit` is the kind of object (`messaging.template`) that they change: each change is then an entry of the audit
    log.
    """

    prefix: str = ""
    tag: str = ""
    audit: str | bool | None = None
    routes: list[Route] = field(default_factory=list)

    def route(
        self,
        method: Method,
        path: str,
        *,
        require: str | None = None,
        public: bool = False,
        signed_in: bool = False,
        api_keys: bool = False,
        audit: str | bool | None = None,
        serves: Serves | None = None,
        status: int = 200,
        **options: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation. `audit` is the router's unless it is given.

        A `public` route with `serves` runs in the tenant that its path names: check what the path proves (a signature,
        a secret) before anything else. It answers 404 where the tenant is not there, not active or without the plugin.

        `options` are FastAPI's (`summary`, `responses`, `response_model`, `max_body_size`, …).

        Raises:
            ValueError: not exactly one of `require`, `signed_in` and `public` is given, or `api_keys` without
                `signed_in`, or `serves` without `public`.
        """
        if (require is not None) + public + signed_in != 1:
            raise ValueError(
                f"{method} {self.prefix}{path}: give exactly one of require=…, signed_in=True, public=True"
            )

        if api_keys and not signed_in:
            raise ValueError(f"{method} {self.prefix}{path}: api_keys=True is for signed_in routes")
        if serves is not None and not public:
            raise ValueError(f"{method} {self.prefix}{path}: serves= is for public routes")

        def register(endpoint: Endpoint) -> Endpoint:
            self.routes.append(
                Route(
                    method=method,
                    path=self.prefix + path,
                    endpoint=endpoint,
                    require=require,
                    public=public,
                    signed_in=signed_in,
                    api_keys=api_keys,
                    audit=self.audit if audit is None else audit,
                    serves=serves,
                    status=status,
                    tag=self.tag,
                    options=options,
                )
            )
            return endpoint

        return register

    def get(self, path: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Read. Runs in a transaction that is never written to."""
        return self.route("GET", path, **options)

    def post(self, path: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Create or act. Honours `Idempotency-Key`. Answers 201 unless `status` says otherwise."""
        return self.route("POST", path, **{"status": 201, **options})

    def put(self, path: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Replace."""
        return self.route("PUT", path, **options)

    def patch(self, path: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Change the fields that are given."""
        return self.route("PATCH", path, **options)

    def delete(self, path: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Delete. Answers 204."""
        return self.route("DELETE", path, **{"status": 204, **options})


def _flaw(value: Any) -> str | None:
    """What no database or reader takes about a JSON value. Not recursive: a body may nest as deep as it is long."""
    pending = [(value, 1)]
    while pending:
        part, depth = pending.pop()
        if isinstance(part, str):
            if "\x00" in part:
                return "a NUL character (U+0000), which no database keeps"
            if not part.isascii() and _SURROGATE.search(part):
                return "half of a surrogate pair, which is no character"
        elif isinstance(part, float):
            if not math.isfinite(part):
                return "a number that is not finite"
        elif isinstance(part, Mapping | list):
            if depth > MAX_BODY_DEPTH:
                return f"more than {MAX_BODY_DEPTH} levels"
            inner = [*part.keys(), *part.values()] if isinstance(part, Mapping) else part
            pending += [(each, depth + 1) for each in inner]
    return None


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, so a misspelt one is told."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    def given(self) -> dict[str, Any]:
        """What the client sent, without nulls: what a PATCH changes."""
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value is not None}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unstorable(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name, value in values.items():
                if flaw := _flaw(value):
                    readable = str(name).encode(errors="replace").decode()
                    raise ValueError(f"{readable} has {flaw}")
        return values


class Resource(BaseModel):
    """Base of what routes return about a row. Its `version` becomes the answer's ETag."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int = Field(description="Counts changes; send it as If-Match when you change the object.")
    created_at: datetime
    updated_at: datetime


class Page(BaseModel, Generic[ItemT]):
    """One page of a list. `next` is the cursor of the following page, null on the last."""

    items: list[ItemT]
    next: str | None = Field(default=None, description="Pass as `cursor` to get the following page.")


class ListQuery(BaseModel):
    """What every list takes. Use as `query: Annotated[ListQuery, Query()]`; subclass to add parameters."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="Items a page.")] = 50
    cursor: Annotated[str | None, Field(max_length=20_000, description="`next` of the page before.")] = None
    filter: Annotated[
        str | None,
        Field(
            max_length=10_000,
            description='JSON: {"match": "all"|"any"|"none", "conditions": [{"field", "op", "value"} or nested]}.',
        ),
    ] = None
    sort: Annotated[
        str | None,
        Field(max_length=200, description="Field names, comma between, `-` before one for descending."),
    ] = None


def _if_match(
    if_match: Annotated[str | None, Header(description='The ETag you have read, e.g. "3".')] = None,
) -> int:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag of the version you are changing.")
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise BadRequest(f'If-Match must be one ETag of this object, for example "3"; got {if_match[:40]!r}.')
    return int(found[2])


# The version the client says it is changing; `Repository.get(…, version=expected)` answers 412 if it is stale.
ExpectedVersion = Annotated[int, Depends(_if_match)]


def _known(
    if_match: Annotated[
        str | None, Header(description="The ETag you have read; without it whatever is there counts.")
    ] = None,
) -> int | None:
    return None if if_match is None else _if_match(if_match)


# The same where a client may leave it out: None then.
KnownVersion = Annotated[int | None, Depends(_known)]


def etag(version: int) -> str:
    """The ETag of an object's version (RFC 9110 §8.8.3)."""
    return f'"{version}"'


__all__ = [
    "MAX_PAGE",
    "Body",
    "ExpectedVersion",
    "KnownVersion",
    "ListQuery",
    "Page",
    "Resource",
    "Route",
    "Router",
    "etag",
]
