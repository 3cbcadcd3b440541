"""Cursors: good for one list of one tenant with one sorting and filter, and for nothing that was not signed here."""

import base64
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riveredge_sdk import cursors
from riveredge_sdk.context import Context, NoContextError, use_context
from riveredge_sdk.problems import Invalid
from riveredge_sdk.runtime import Runtime

TENANT, OTHER = UUID(int=1), UUID(int=2)
SCOPE = "example_note\n-created_at\n"
values_of_rows = st.lists(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    max_size=4,
)


def serving(tenant: UUID | None = TENANT, *, key: bytes = b"k" * 32) -> Context:
    return Context(runtime=cast("Runtime", SimpleNamespace(cursor_key=key)), tenant_id=tenant)


def made(values: list[Any] | None = None, *, scope: str = SCOPE, tenant: UUID | None = TENANT) -> str:
    with use_context(serving(tenant)):
        return cursors.encode(values or ["2026-11-23T08:00:00+00:00", str(UUID(int=7))], scope=scope)


def refused(cursor: str, *, scope: str = SCOPE, context: Context | None = None) -> None:
    with use_context(context or serving()), pytest.raises(Invalid) as caught:
        cursors.decode(cursor, scope=scope)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("query.cursor", "cursor")


@given(values=values_of_rows)
def test_a_cursor_brings_its_values_back(values: list[Any]) -> None:
    with use_context(serving()):
        cursor = cursors.encode(values, scope=SCOPE)
        assert cursors.decode(cursor, scope=SCOPE) == values
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


def test_it_is_refused_for_another_tenant() -> None:
    refused(made(), context=serving(OTHER))
    refused(made(), context=serving(None))
    refused(made(tenant=None))


@pytest.mark.parametrize(
    "scope",
    [
        "example_tag\n-created_at\n",
        "example_note\ncreated_at\n",
        "example_note\n-created_at\n{}",
        "example_note",
        "",
        "\n" + SCOPE,
    ],
)
def test_it_is_refused_for_another_list_sorting_or_filter(scope: str) -> None:
    refused(made(), scope=scope)
    refused(made(scope=scope))


def test_it_is_refused_under_another_key() -> None:
    refused(made(), context=serving(key=b"x" * 32))


@given(values=values_of_rows, data=st.data())
def test_a_changed_one_is_refused(values: list[Any], data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(made(values) + "=="))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    refused(base64.urlsafe_b64encode(raw).decode().rstrip("="))


@given(raw=st.binary(max_size=80))
def test_an_invented_one_is_refused(raw: bytes) -> None:
    refused(base64.urlsafe_b64encode(raw).decode().rstrip("="))


@given(text=st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    refused(text)


def test_a_cut_one_is_refused() -> None:
    whole = made()
    for length in range(len(whole) - 1):
        refused(whole[:length])


def test_there_are_no_cursors_outside_of_requests() -> None:
    with pytest.raises(NoContextError):
        cursors.encode([], scope=SCOPE)
