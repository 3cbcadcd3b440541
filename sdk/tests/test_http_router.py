"""Routers, bodies and list parameters."""

from typing import Any

import pytest
from pydantic import ValidationError

from riveredge_sdk.http import MAX_PAGE, Body, ListQuery, Page, Router, _if_match, etag
from riveredge_sdk.problems import BadRequest, PreconditionRequired


async def endpoint() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    "access",
    [
        {},
        {"public": False},
        {"require": "a.b.c", "public": True},
        {"require": "a.b.c", "signed_in": True},
        {"public": True, "signed_in": True},
        {"require": "a.b.c", "public": True, "signed_in": True},
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_route_says_in_exactly_one_way_who_may_use_it(method: str, access: dict[str, Any]) -> None:
    router = Router(prefix="/notes")
    with pytest.raises(ValueError, match=rf"{method.upper()} /notes/x: give exactly one"):
        getattr(router, method)("/x", **access)
    assert router.routes == []


@pytest.mark.parametrize("access", [{"require": "a.b.c"}, {"public": True}, {"signed_in": True}])
@pytest.mark.parametrize(
    ("method", "status"), [("get", 200), ("post", 201), ("put", 200), ("patch", 200), ("delete", 204)]
)
def test_a_route_is_declared(method: str, status: int, access: dict[str, Any]) -> None:
    router = Router(prefix="/notes", tag="Notes")
    assert getattr(router, method)("/{id}", summary="One", **access)(endpoint) is endpoint
    (route,) = router.routes
    assert (route.method, route.path, route.status, route.tag) == (method.upper(), "/notes/{id}", status, "Notes")
    assert route.endpoint is endpoint
    assert (route.require, route.public, route.signed_in) == (
        access.get("require"),
        access.get("public", False),
        access.get("signed_in", False),
    )
    assert route.options == {"summary": "One"}


def test_a_route_may_have_another_status() -> None:
    router = Router()
    router.post("/x", public=True, status=202)(endpoint)
    assert router.routes[0].status == 202


class NoteIn(Body):
    title: str
    more: dict[str, Any] | None = None
    lines: list[Any] | None = None


def test_a_body_refuses_unknown_fields_and_trims() -> None:
    assert NoteIn(title="  Milk ").title == "Milk"
    with pytest.raises(ValidationError, match="Extra inputs"):
        NoteIn.model_validate({"title": "a", "tilte": "b"})


@pytest.mark.parametrize(
    "values",
    [
        {"title": "a\x00"},
        {"title": "a", "more": {"b": ["c", {"d": "\x00"}]}},
        {"title": "a", "more": {"\x00": 1}},
        {"title": "a", "lines": [["\x00"]]},
    ],
)
def test_a_body_refuses_what_no_database_keeps(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        NoteIn.model_validate(values)


@pytest.mark.parametrize(
    "values", [{"limit": 0}, {"limit": MAX_PAGE + 1}, {"offset": 1}, {"filter": "x" * 10_001}, {"sort": "x" * 201}]
)
def test_a_list_takes_known_parameters_within_limits(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ListQuery.model_validate(values)


def test_a_list_has_defaults() -> None:
    assert ListQuery().model_dump() == {"limit": 50, "cursor": None, "filter": None, "sort": None}
    assert Page[int](items=[1]).model_dump() == {"items": [1], "next": None}


@pytest.mark.parametrize("header", ['"3"', 'W/"3"', "3"])
def test_if_match_names_a_version(header: str) -> None:
    assert _if_match(header) == 3
    assert etag(3) == '"3"'


@pytest.mark.parametrize(
    "header", ["", '"x"', "*", '"1", "2"', '""', '"1', '1"', '"1_0"', '"-1"', '"١"', '"' + "9" * 30 + '"']
)
def test_if_match_names_one_version(header: str) -> None:
    with pytest.raises(BadRequest, match="If-Match"):
        _if_match(header)


def test_if_match_must_be_there() -> None:
    with pytest.raises(PreconditionRequired):
        _if_match(None)
