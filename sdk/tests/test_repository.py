"""Lists: sorting and paging over every type that can be sorted by, on a session of SQLite in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Any, cast
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_sdk import models
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.http import ListQuery
from riveredge_sdk.models import PlatformModel, UtcDateTime, plugin_registry
from riveredge_sdk.problems import Invalid, NotFound, PreconditionFailed
from riveredge_sdk.repository import MAX_SORT, FilterField, Repository
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import unit_of_work


class Model(PlatformModel, registry=plugin_registry("sdklist")):
    """Base of this test's tables."""


class Thing(Model, table=True):
    __tablename__ = "sdklist_thing"

    title: str = Field(max_length=200)
    long: str = ""
    number: int = 0
    ratio: float = 0.0
    done: bool = False
    day: date = date(2026, 1, 1)
    owner: UUID = UUID(int=0)
    at: datetime = Field(default=datetime(2026, 1, 1, tzinfo=UTC), sa_type=UtcDateTime, nullable=False)
    note: str | None = Field(default=None, max_length=20)


class Things(Repository[Thing]):
    model = Thing
    fields = (
        FilterField("title", "text", Thing.title),
        FilterField("long", "text", Thing.long),
        FilterField("number", "integer", Thing.number),
        FilterField("ratio", "number", Thing.ratio),
        FilterField("done", "boolean", Thing.done),
        FilterField("day", "date", Thing.day),
        FilterField("owner", "uuid", Thing.owner),
        FilterField("at", "datetime", Thing.at),
        FilterField("note", "text", Thing.note),
    )


class ThingOut(BaseModel):
    id: UUID
    title: str


SORTABLE = ["title", "number", "ratio", "done", "day", "owner", "at", "id", "created_at", "updated_at"]
things = Things()


@pytest.fixture(scope="module", autouse=True)
def _forget_tables() -> Any:
    """METADATA is shared by all that runs in this process."""
    yield
    models.METADATA.remove(models.METADATA.tables["sdklist_thing"])


@pytest.fixture
async def opened() -> AsyncIterator[AsyncSession]:
    """A unit of work over an empty table."""
    engine = create_async_engine("sqlite+aiosqlite://")
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.cursor().close())
    async with engine.begin() as connection:
        await connection.run_sync(models.METADATA.tables["sdklist_thing"].create)

    @asynccontextmanager
    async def open_unit_of_work(*, read_only: bool = False) -> AsyncIterator[Any]:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            yield SimpleNamespace(session=session)
            await session.commit()

    runtime = SimpleNamespace(open_unit_of_work=open_unit_of_work, cursor_key=b"k" * 32, now=lambda: datetime.now(UTC))
    with use_context(Context(runtime=cast("Runtime", runtime))):
        async with unit_of_work() as session:
            yield session
    await engine.dispose()


async def _fill(count: int = 12) -> list[Thing]:
    made = [
        Thing(
            title="牛奶" * 90 + "AaÄä"[n % 4],
            long="x" * 5000,
            number=n % 3 - 1,
            ratio=[0.1, 1e300, -0.5][n % 3],
            done=n % 2 == 0,
            day=date(2026, 1, 1) + timedelta(days=n % 4),
            owner=uuid4(),
            at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n % 5),
        )
        for n in range(count)
    ]
    for row in made:
        await things.add(row)
    return made


async def _walk(**query: Any) -> list[UUID]:
    found: list[UUID] = []
    cursor = None
    while True:
        page = await things.page(ListQuery(cursor=cursor, **query), into=ThingOut)
        found += [item.id for item in page.items]
        if page.next is None:
            return found
        assert len(page.items) == query["limit"]
        cursor = page.next


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", SORTABLE)
async def test_pages_hold_every_row_once_and_in_order(opened: AsyncSession, name: str, sign: str) -> None:
    made = await _fill()
    found = await _walk(limit=5, sort=sign + name)
    assert sorted(found) == sorted(row.id for row in made)
    rows = {row.id: row for row in made}
    values = [getattr(rows[row_id], name) for row_id in found]
    assert values == sorted(values, reverse=sign == "-")


async def test_several_keys_each_with_its_own_direction(opened: AsyncSession) -> None:
    made = await _fill()
    found = await _walk(limit=1, sort="-done, number ,title,-at")
    rows = sorted(made, key=lambda r: r.id)
    rows.sort(key=lambda r: r.at, reverse=True)
    rows.sort(key=lambda r: (not r.done, r.number, r.title))
    key = [(r.done, r.number, r.title, r.at) for r in rows]
    by_id = {r.id: r for r in made}
    assert [(r.done, r.number, r.title, r.at) for r in (by_id[i] for i in found)] == key
    assert len(set(found)) == len(made)


async def test_the_newest_come_first_and_filters_hold_on_every_page(opened: AsyncSession) -> None:
    made = await _fill()
    wanted = '{"conditions": [{"field": "done", "op": "eq", "value": true}]}'
    assert await _walk(limit=2, filter=wanted) == [row.id for row in reversed(made) if row.done]


@pytest.mark.parametrize(
    "sort", ["note", "long", "colour", "-", "title,--number", ",".join(["title"] * (MAX_SORT + 1))]
)
async def test_what_cannot_be_sorted_by_is_refused(opened: AsyncSession, sort: str) -> None:
    with pytest.raises(Invalid) as caught:
        await things.page(ListQuery(sort=sort), into=ThingOut)
    assert [(error.field, error.code) for error in caught.value.errors] == [("query.sort", "sort")]


@pytest.mark.parametrize("change", [{"sort": "title"}, {"filter": "{}"}, {"sort": "number", "filter": "{}"}])
async def test_a_cursor_is_good_for_its_own_list_only(
    opened: AsyncSession, change: dict[str, Annotated[str, ""]]
) -> None:
    await _fill(3)
    page = await things.page(ListQuery(limit=1), into=ThingOut)
    with pytest.raises(Invalid) as caught:
        await things.page(ListQuery(limit=1, cursor=page.next, **cast("Any", change)), into=ThingOut)
    assert caught.value.errors[0].field == "query.cursor"


async def test_a_cursor_with_the_longest_values_is_taken_again(opened: AsyncSession) -> None:
    for _ in range(3):
        await things.add(Thing(title='"\u0001😀' * 66))
    assert len(await _walk(limit=1, sort="title,number,at,owner")) == 3


async def test_a_row_that_was_deleted_meanwhile_does_not_stop_the_walk(opened: AsyncSession) -> None:
    made = await _fill(4)
    page = await things.page(ListQuery(limit=2, sort="id"), into=ThingOut)
    await things.delete(made[1])
    rest = await things.page(ListQuery(limit=2, sort="id", cursor=page.next), into=ThingOut)
    assert [item.id for item in rest.items] == [made[2].id, made[3].id]


async def test_versions_are_compared_and_counted(opened: AsyncSession) -> None:
    (row,) = await _fill(1)
    assert (await things.get(row.id, version=1)).id == row.id
    await things.change(row, {"title": "new"})
    assert row.version == 2
    await things.change(row, {"title": "new"})
    assert row.version == 2
    with pytest.raises(PreconditionFailed) as caught:
        await things.get(row.id, version=1)
    assert caught.value.extensions == {"version": 2}
    with pytest.raises(NotFound):
        await things.get(UUID(int=9))


async def test_find_all_and_count(opened: AsyncSession) -> None:
    made = await _fill(4)
    done = cast("Any", Thing.done)
    assert await things.count() == 4
    assert await things.count(done.is_(True)) == 2
    assert {row.id for row in await things.all(done.is_(False))} == {made[1].id, made[3].id}
    assert await things.find(cast("Any", Thing.id) == UUID(int=9)) is None
