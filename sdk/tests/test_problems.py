"""Problem documents."""

import inspect

import pytest

from riveredge_sdk import problems
from riveredge_sdk.problems import FieldError, Problem, Unauthorized, invalid_field

ALL = [cls for _, cls in inspect.getmembers(problems, inspect.isclass) if issubclass(cls, Problem)]


def test_a_problem_is_written_as_rfc_9457_says() -> None:
    problem = problems.Invalid(
        "Two are wrong.", errors=[FieldError("to.0", "No such user."), FieldError("a", "b", "c")]
    )
    assert problem.as_json() == {
        "type": "urn:riveredge:problem:invalid",
        "title": "Some fields are not right",
        "status": 422,
        "detail": "Two are wrong.",
        "errors": [
            {"field": "to.0", "message": "No such user.", "code": "invalid"},
            {"field": "a", "message": "b", "code": "c"},
        ],
    }


def test_what_is_empty_is_left_out() -> None:
    assert problems.NotFound().as_json() == {
        "type": "urn:riveredge:problem:not-found",
        "title": "There is no such thing here",
        "status": 404,
    }
    assert str(problems.NotFound()) == "There is no such thing here"
    assert str(problems.NotFound("No note 3.")) == "No note 3."


def test_extensions_are_members_but_never_replace_the_standard_ones() -> None:
    problem = problems.PreconditionFailed(
        "Stale.", extensions={"version": 3, "status": 200, "type": "x", "detail": "y"}
    )
    assert problem.as_json() == {
        "type": "urn:riveredge:problem:stale",
        "title": "Somebody changed it in the meantime",
        "status": 412,
        "detail": "Stale.",
        "version": 3,
    }


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_problem_has_an_error_status_a_code_and_a_title(cls: type[Problem]) -> None:
    assert 400 <= cls.status <= 599
    assert cls.code == cls.code.lower()
    assert cls.title
    assert cls("why").as_json()["type"] == f"urn:riveredge:problem:{cls.code}"


def test_statuses_and_codes_are_told_apart() -> None:
    assert len({cls.status for cls in ALL}) == len({cls.code for cls in ALL}) == len(ALL)


def test_an_unauthorized_one_says_how_to_sign_in() -> None:
    assert Unauthorized().headers == {"WWW-Authenticate": "Bearer"}
    assert Unauthorized(headers={"WWW-Authenticate": "Basic"}).headers == {"WWW-Authenticate": "Basic"}


def test_what_is_handed_in_is_not_shared() -> None:
    headers, extensions = {"Retry-After": "5"}, {"a": 1}
    problem = problems.Unavailable("x", headers=headers, extensions=extensions)
    headers.clear()
    extensions.clear()
    assert problem.headers == {"Retry-After": "5"}
    assert problem.as_json()["a"] == 1


def test_one_wrong_field() -> None:
    problem = invalid_field("query.limit", "At most 200.", "too_large")
    assert problem.detail == "At most 200."
    assert problem.errors == (FieldError("query.limit", "At most 200.", "too_large"),)
