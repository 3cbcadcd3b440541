"""Every error leaves as problem+json (RFC 9457): our own, the router's, validation, and what nobody expected.

The last is caught by the outermost middleware, which calls `on_unexpected`.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from riveredge_sdk import problems
from riveredge_sdk.problems import FieldError, Problem, field_errors

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50

_BY_STATUS: dict[int, type[Problem]] = {
    cls.status: cls
    for cls in (
        problems.BadRequest,
        problems.Unauthorized,
        problems.Forbidden,
        problems.NotFound,
        problems.MethodNotAllowed,
        problems.Conflict,
        problems.TooLarge,
        problems.UnsupportedMediaType,
        problems.Invalid,
        problems.TooManyRequests,
        problems.Unavailable,
    )
}
# PostgreSQL's error codes for values that no column takes (Appendix A, class 22).
_UNSTORABLE = {
    "22001": "A text is longer than what can be stored.",
    "22003": "A number is larger than what can be stored.",
    "22021": "A text has characters that cannot be stored (NUL).",
    "22P05": "A text has characters that cannot be stored.",
}
_DETAILS = {
    404: "No route has this address.",
    413: "Send less at a time; the limit is a setting of this installation.",
}


def render(problem: Problem, request: Request) -> Response:
    """The answer for `problem`; `request_id` ties it to the log."""
    document = problem.as_json()
    document["instance"] = request.url.path
    document["request_id"] = request.scope.get("riveredge.request_id", "")
    return Response(
        # A caller's misspelt name may hold what cannot be encoded.
        json.dumps(document, ensure_ascii=False, default=str).encode(errors="replace"),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def install(app: FastAPI) -> None:
    """Register the handlers on `app`."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(StaleDataError, _on_stale)
    app.add_exception_handler(IntegrityError, _on_integrity)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(PoolTimeoutError, _on_busy)
    app.add_exception_handler(sqlite3.OperationalError, _on_busy)
    app.add_exception_handler(OSError, _on_connection)


def _mistakes(errors: Sequence[Any], body: Any) -> list[FieldError]:
    """Pydantic's errors as field errors, the path written as the client knows it."""
    found = []
    for error in errors[:MAX_ERRORS]:
        place, *path = error["loc"] or ("body",)
        if place == "body" and isinstance(body, dict | list):
            (mistake,) = field_errors([{**error, "loc": path}], body)
            found.append(replace(mistake, field=mistake.field or "body"))
            continue
        parts = path if place == "body" else [place, *path]
        message = str(error["msg"]).removeprefix("Value error, ")
        found.append(FieldError(".".join(map(str, parts)) or "body", message, str(error["type"])))
    return found


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (Starlette dispatches by type)
    return render(error, request)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    cls = _BY_STATUS.get(error.status_code)
    if cls is None:
        cls = type("HttpProblem", (Problem,), {"status": error.status_code, "code": "http", "title": error.detail})
    headers = {k: v for k, v in (error.headers or {}).items() if k.lower() != "content-length"}
    if error.status_code == 405:
        # The framework names the methods of one route only; RFC 9110 §15.5.6 wants all of the resource's.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    detail = _DETAILS.get(error.status_code, "" if error.detail == cls.title else error.detail)
    return render(cls(detail, headers=headers), request)


def _methods(request: Request) -> set[str]:
    there = [route for route in request.app.router.routes if route.matches(request.scope)[0] != Match.NONE]
    return {method for route in there for method in getattr(route, "methods", None) or ()}


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = error.errors()
    if any(e["type"] == "json_invalid" for e in errors):
        where = errors[0]["loc"][-1]
        reason = errors[0].get("ctx", {}).get("error", "it does not parse")
        return render(problems.BadRequest(f"The body is not JSON: {reason} at character {where}."), request)
    found = _mistakes(errors, error.body)
    return render(problems.Invalid(f"{len(errors)} field(s) to mend.", errors=found), request)


async def _on_stale(request: Request, _error: Exception) -> Response:
    return render(
        problems.PreconditionFailed("Read it again, apply your change to what it is now, and retry."), request
    )


async def _on_integrity(request: Request, error: Exception) -> Response:
    # The driver's text names tables and values; it is for the log, not for the client.
    log.info("integrity_error", error=str(error), path=request.url.path)
    return render(
        problems.Conflict("Something with the same unique value exists already, or what it refers to is gone."), request
    )


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)  # noqa: S101
    state = str(getattr(error.orig, "sqlstate", "") or "")
    if state in _UNSTORABLE:
        log.info("unstorable_value", error=str(error.orig), path=request.url.path)
        return render(problems.Invalid(_UNSTORABLE[state]), request)
    if error.connection_invalidated or _is_outage(error.orig):
        log.error("database_unavailable", error=str(error.orig), path=request.url.path)
        return render(problems.Unavailable("The database is not reachable.", headers={"Retry-After": "5"}), request)
    return await on_unexpected(request, error)


async def _on_busy(request: Request, error: Exception) -> Response:
    # No connection came free in time, or on SQLite no turn to write.
    log.error("database_busy", error=str(error), path=request.url.path)
    return render(
        problems.Unavailable("The database has more to do than it can just now.", headers={"Retry-After": "2"}), request
    )


async def _on_connection(request: Request, error: Exception) -> Response:
    log.error("connection_error", error=repr(error), path=request.url.path)
    return render(
        problems.Unavailable("Something this depends on is not reachable.", headers={"Retry-After": "5"}), request
    )


def _is_outage(cause: BaseException | None) -> bool:
    """Whether a driver's error means "not there now" (SQLSTATE class 08 and 57P, refused sockets, a locked file)."""
    state = str(getattr(cause, "sqlstate", "") or "")
    text = str(cause).lower()
    return state.startswith(("08", "57P", "53")) or isinstance(cause, OSError) or "database is locked" in text


async def on_unexpected(request: Request, error: Exception) -> Response:
    """The answer to what nobody expected: the log has the details, the client the id to find them by."""
    log.exception("unexpected_error", exc_info=error, path=request.url.path, method=request.method)
    return render(Problem("It has been logged. Name the request_id when you ask for help."), request)
