"""What may be pushed, and what topics may say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from riveredge_sdk.context import Context, NoTenantError, use_context
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.stream import StreamTopic, push
from riveredge_sdk.uow import NoUnitOfWorkError, Pushed, unit_of_work


async def anybody(_key: str) -> bool:
    return True


TENANT = StreamTopic("example.notes", "Notes")
USER = StreamTopic("example.mine", "Mine", scope="user")
OBJECT = StreamTopic("example.note", "One note", scope="object", authorise=anybody)


class Unit:
    """A unit of work that keeps the pushes."""

    def __init__(self) -> None:
        self.session: Any = object()
        self.pushes: list[Pushed] = []

    def add_push(self, pushed: Pushed) -> None:
        self.pushes.append(pushed)


async def pushed(topic: StreamTopic, key: UUID | str | None = None, **values: Any) -> Pushed:
    """What reaches the unit of work."""
    units: list[Unit] = []

    @asynccontextmanager
    async def opened(*, read_only: bool = False) -> AsyncIterator[Unit]:
        units.append(Unit())
        yield units[-1]

    runtime = cast("Runtime", SimpleNamespace(open_unit_of_work=opened))
    with use_context(Context(runtime=runtime, tenant_id=uuid4())):
        async with unit_of_work():
            push(topic, key, **{"what": "changed", **values})
    (found,) = units[0].pushes
    return found


async def test_ids_and_counters_are_pushed() -> None:
    note, user = uuid4(), uuid4()
    made = await pushed(USER, user, data={"note": note, "unread": 3, "number": "AP-2026-000123", "none": None})
    assert made == Pushed(
        topic="example.mine",
        key=str(user),
        what="changed",
        data={"note": str(note), "unread": 3, "number": "AP-2026-000123", "none": None},
    )


@pytest.mark.parametrize(
    "value", ["Dear Ada", "", "a" * 101, "<b>", "line\nbreak", "é", 1.5, ["x"], {"a": 1}, b"x", object()]
)
async def test_content_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        await pushed(TENANT, data={"value": value})


async def test_large_data_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        await pushed(TENANT, data={f"id_{n}": uuid4() for n in range(30)})


@pytest.mark.parametrize("what", ["", "Two words", "UPPER", "a" * 41])
async def test_what_is_one_word(what: str) -> None:
    with pytest.raises(ValueError, match="lower-case word"):
        await pushed(TENANT, what=what)


async def test_keys_fit_the_scope() -> None:
    with pytest.raises(ValueError, match="scope"):
        await pushed(TENANT, uuid4())
    for topic in (USER, OBJECT):
        with pytest.raises(ValueError, match="scope"):
            await pushed(topic)
    with pytest.raises(ValueError, match="UUID"):
        await pushed(USER, "ada")
    with pytest.raises(ValueError, match="no id"):
        await pushed(OBJECT, "with space")


async def test_a_push_needs_a_tenant_and_a_unit_of_work() -> None:
    with pytest.raises(NoTenantError):
        push(TENANT, what="changed")
    with use_context(Context(runtime=cast("Runtime", None), tenant_id=uuid4())), pytest.raises(NoUnitOfWorkError):
        push(TENANT, what="changed")


def test_topics_are_checked_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="expected"):
        StreamTopic("notes", "Notes")
    with pytest.raises(ValueError, match="authorise"):
        StreamTopic("example.note", "One note", scope="object")
    with pytest.raises(ValueError, match="authorise"):
        StreamTopic("example.notes", "Notes", authorise=anybody)
