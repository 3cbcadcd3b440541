"""Errors a client can act on, as problem details (RFC 9457, media type application/problem+json).

Raise one anywhere below a route; the kernel renders it. `type` is `urn:riveredge:problem:<code>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

TYPE_PREFIX = "urn:riveredge:problem:"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field.

    `field` is the path as the client wrote it, dots between names and numbers (`recipients.0.address`, `query.limit`);
    `message` says what is wrong and how to mend it; `code` is stable for machines.
    """

    field: str
    message: str
    code: str = "invalid"

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message, "code": self.code}


class Problem(Exception):  # noqa: N818  (RFC 9457 calls it a problem)
    """A request that cannot be answered as asked.

    Args:
        detail: one or two sentences for the person reading: what is wrong here and what to do about it.
        errors: the fields at fault, if any.
        headers: response headers such as `Retry-After`.
        extensions: further members of the problem document (RFC 9457 §3.2); JSON values.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def as_json(self) -> dict[str, Any]:
        """The problem document, without `instance`, which the kernel adds."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = [error.as_json() for error in self.errors]
        return {**self.extensions, **document}


class BadRequest(Problem):
    status, code, title = 400, "bad-request", "The request cannot be understood"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "Sign in first"

    def __init__(self, detail: str = "", **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(Problem):
    """Also the answer for another tenant's objects: whether they exist is not told."""

    status, code, title = 404, "not-found", "There is no such thing here"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method-not-allowed", "This address does not take this method"


class Conflict(Problem):
    status, code, title = 409, "conflict", "This clashes with what is there"


class PreconditionFailed(Problem):
    status, code, title = 412, "stale", "Somebody changed it in the meantime"


class TooLarge(Problem):
    status, code, title = 413, "too-large", "The request is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported-media-type", "The body has a media type that is not taken here"


class Invalid(Problem):
    status, code, title = 422, "invalid", "Some fields are not right"


class PreconditionRequired(Problem):
    status, code, title = 428, "precondition-required", "Say which version you are changing"


class TooManyRequests(Problem):
    status, code, title = 429, "too-many-requests", "Too many requests"


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "This is not available at the moment"


def taken_field(kind: str, field: str, value: str) -> Conflict:
    """A `Conflict` about a name that something else of its kind has: `taken_field("service account", "name", name)`."""
    article = "an" if kind[0] in "aeiou" else "a"
    error = FieldError(field, f"Choose another {field}.", "taken")
    return Conflict(f"There is {article} {kind} {value!r} already.", errors=[error])


def invalid_field(field: str, message: str, code: str = "invalid") -> Invalid:
    """An `Invalid` problem about a single field."""
    return Invalid(message, errors=[FieldError(field, message, code)])


def field_errors(errors: Iterable[Mapping[str, Any]], content: Any, *, under: Sequence[str] = ()) -> list[FieldError]:
    """What pydantic says is wrong with `content`, parsed JSON, with each path as whoever wrote it knows it.

    Pydantic's own paths name the alternative of a union that it has chosen: of `{"trigger": {"kind": "cron", …}}` this
    makes `trigger.expression`, and not `trigger.cron.expression`.

    Args:
        errors: from `ValidationError.errors()`.
        under: what the path begins with.
    """
    found = []
    for error in errors:
        path = _written_path(error["loc"], content)
        message, code = str(error["msg"]).removeprefix("Value error, "), str(error["type"])
        if code in {"union_tag_not_found", "union_tag_invalid"}:
            about = error["ctx"]
            path.append(str(about["discriminator"]).strip("'"))
            message = f"Expected one of {about['expected_tags']}" if "expected_tags" in about else "Field required"
        found.append(FieldError(".".join([*under, *path]), message, code))
    return found


def _written_path(path: Sequence[str | int], content: Any) -> list[str]:
    written: list[str] = []
    for number, part in enumerate(path, 1):
        if isinstance(content, Mapping) and (part in content or number == len(path)):
            content = content.get(part)
        elif isinstance(content, list | tuple) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            continue
        written.append(str(part))
    return written
