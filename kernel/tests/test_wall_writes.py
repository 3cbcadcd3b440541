"""Writes reach the served tenant's rows only, and a session serves one tenant."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_example.models import Note, Tag
from riveredge_kernel.db.wall import TenantSession
from riveredge_sdk.context import Context, NoTenantError, use_context
from riveredge_sdk.tenancy import TenantWallError

pytestmark = pytest.mark.database

Attack = Callable[[AsyncSession, Note], Awaitable[object]]
BARE: Any = Note.__table__  # type: ignore[attr-defined]


async def test_added_rows_are_stamped(serve: Any, ours: Any) -> None:
    async with serve(ours.tenant) as session:
        note = Note(title="added")
        session.add(note)
        async with session.begin_nested():
            session.add(Note(title="nested"))
        assert note.tenant_id == ours.tenant
    async with serve(ours.tenant) as session:
        assert set((await session.exec(select(Note.title))).all()) == {"ours", "added", "nested"}


async def test_inserted_rows_are_stamped(serve: Any, ours: Any) -> None:
    async with serve(ours.tenant) as session:
        await session.exec(insert(Note).values(title="values"))
        await session.exec(insert(Note), params={"title": "one"})
        await session.exec(insert(Note), params=[{"title": "first"}, {"title": "second"}])
        returned: Any = insert(Note).values(title="returned").returning(col(Note.tenant_id))
        assert (await session.exec(returned)).scalar_one() == ours.tenant
    async with serve(ours.tenant) as session:
        titles = set((await session.exec(select(Note.title))).all())
        assert titles == {"ours", "values", "one", "first", "second", "returned"}


async def test_an_upsert_changes_the_tenants_own_row(serve: Any, ours: Any, database_kind: str) -> None:
    make: Any = sqlite_insert if database_kind == "sqlite" else postgresql_insert
    key = ["tenant_id", "id"]
    upsert = make(Note).values(id=ours.note, title="x").on_conflict_do_update(index_elements=key, set_={"title": "new"})
    async with serve(ours.tenant) as session:
        await session.exec(upsert)
        assert (await session.exec(select(Note.title))).all() == ["new"]


async def test_update_and_delete_reach_the_tenants_rows_only(
    serve: Any, ours: Any, theirs: Any, untouched: Any
) -> None:
    async with untouched(), serve(ours.tenant) as session:
        assert (await session.exec(update(Note).values(title="new"))).rowcount == 1
        missed = update(Note).where(col(Note.id) == theirs.note).values(title="new")
        assert (await session.exec(missed)).rowcount == 0
        tagged = col(Note.id).in_(select(Tag.note_id).where(Tag.word == "theirs"))
        assert (await session.exec(update(Note).where(tagged).values(title="new"))).rowcount == 0
        assert (await session.exec(delete(Tag).where(col(Tag.id) == theirs.tag))).rowcount == 0
        assert (await session.exec(delete(Tag))).rowcount == 1
        assert (await session.exec(delete(Note))).rowcount == 1


async def test_a_value_may_be_an_expression_over_its_own_row(serve: Any, ours: Any) -> None:
    async with serve(ours.tenant) as session:
        note: Any = await session.get(Note, ours.note)
        note.reminders, note.title = Note.reminders + 1, func.upper(Note.title)
        await session.flush()
        await session.refresh(note)
        assert (note.reminders, note.title) == (1, "OURS")


@pytest.mark.parametrize(
    "value",
    [
        text("(SELECT max(title) FROM example_note)"),
        select(func.max(Note.title)).scalar_subquery(),
        func.coalesce(select(func.max(BARE.c.title)).scalar_subquery(), ""),
        func.upper(BARE.c.title),
    ],
)
async def test_a_value_that_reads_other_rows_is_refused(value: Any, serve: Any, ours: Any) -> None:
    async def attack() -> None:
        async with serve(ours.tenant) as session:
            note: Any = await session.get(Note, ours.note)
            note.title = value

    with pytest.raises(TenantWallError):
        await attack()


async def _add(session: AsyncSession, row: Note) -> None:
    session.add(Note(title="x", tenant_id=row.tenant_id))
    await session.flush()


async def _move(session: AsyncSession, row: Note) -> None:
    note = Note(title="x")
    session.add(note)
    await session.flush()
    note.tenant_id = row.tenant_id
    await session.flush()


async def _attach(session: AsyncSession, row: Note) -> None:
    session.add(row)


async def _delete(session: AsyncSession, row: Note) -> None:
    await session.delete(row)


async def _merge(session: AsyncSession, row: Note) -> None:
    await session.merge(row)
    await session.flush()


async def _attach_unmarked(session: AsyncSession, row: Note) -> None:
    # With its tenant taken away and given back, the row gets past attaching.
    tenant_id = row.__dict__.pop("tenant_id")
    session.add(row)
    row.__dict__["tenant_id"] = tenant_id
    row.title = "x"
    await session.flush()


async def _insert(session: AsyncSession, row: Note) -> None:
    await session.exec(insert(Note).values(title="x", tenant_id=row.tenant_id))


async def _insert_rows(session: AsyncSession, row: Note) -> None:
    await session.exec(insert(Note), params=[{"title": "x"}, {"title": "y", "tenant_id": row.tenant_id}])


async def _insert_nobodys(session: AsyncSession, row: Note) -> None:
    await session.exec(insert(Note), params=[{"title": "x", "tenant_id": None}])


async def _update_by_keys(session: AsyncSession, row: Note) -> None:
    await session.exec(update(Note), params=[{"id": row.id, "title": "x"}])


async def _bulk_save(session: AsyncSession, row: Note) -> None:
    session.sync_session.bulk_save_objects([row])


async def _bulk_insert(session: AsyncSession, row: Note) -> None:
    session.sync_session.bulk_insert_mappings(Note, [{"title": "x", "tenant_id": row.tenant_id}])


async def _bulk_update(session: AsyncSession, row: Note) -> None:
    session.sync_session.bulk_update_mappings(Note, [{"id": row.id, "title": "x"}])


async def _on_the_connection(session: AsyncSession, row: Note) -> None:
    await (await session.connection()).execute(text("SELECT * FROM example_note"))


async def _by_the_driver(session: AsyncSession, row: Note) -> None:
    await (await session.connection()).exec_driver_sql("SELECT * FROM example_note")


async def _core_on_the_connection(session: AsyncSession, row: Note) -> None:
    await (await session.connection()).execute(BARE.select())


async def _mapped_on_the_connection(session: AsyncSession, row: Note) -> None:
    await (await session.connection()).execute(select(Note))


async def _under_another_tenant(session: AsyncSession, row: Note) -> None:
    with use_context(Context(runtime=None, tenant_id=row.tenant_id)):  # type: ignore[arg-type]
        await session.exec(select(Note))


async def _flush_under_another_tenant(session: AsyncSession, row: Note) -> None:
    session.add(Note(title="x"))
    with use_context(Context(runtime=None, tenant_id=row.tenant_id)):  # type: ignore[arg-type]
        await session.flush()


ATTACKS: list[Attack] = [
    _add,
    _move,
    _attach,
    _delete,
    _merge,
    _attach_unmarked,
    _insert,
    _insert_rows,
    _insert_nobodys,
    _update_by_keys,
    _bulk_save,
    _bulk_insert,
    _bulk_update,
    _on_the_connection,
    _by_the_driver,
    _core_on_the_connection,
    _mapped_on_the_connection,
    _under_another_tenant,
    _flush_under_another_tenant,
]


@pytest.fixture
async def foreign(database: Any, theirs: Any) -> Note:
    """The other tenant's note, detached from any session."""
    async with database.system("test", None, read_only=True) as session:
        note: Note | None = await session.get(Note, theirs.note)
    assert note is not None
    return note


@pytest.mark.parametrize("attack", ATTACKS)
async def test_foreign_rows_are_out_of_reach(
    attack: Attack, serve: Any, ours: Any, foreign: Note, untouched: Any
) -> None:
    async with untouched():
        with pytest.raises(TenantWallError):
            async with serve(ours.tenant) as session:
                await attack(session, foreign)


async def test_a_foreign_row_cannot_be_refreshed(database: Any, serve: Any, ours: Any, foreign: Note) -> None:
    async with serve(ours.tenant) as session:
        with pytest.raises(TenantWallError):
            session.add(foreign)
        with pytest.raises(Exception, match="not persistent"):
            await session.refresh(foreign)


async def test_an_id_of_another_tenant_cannot_be_taken_over(serve: Any, ours: Any, theirs: Any, untouched: Any) -> None:
    from sqlalchemy.exc import IntegrityError

    async with untouched():
        with pytest.raises(IntegrityError):
            async with serve(ours.tenant) as session:
                await session.merge(Note(id=theirs.note, title="x"))
        with pytest.raises(IntegrityError):
            async with serve(ours.tenant) as session:
                # The key holds the tenant: there is no such note among ours.
                session.add(Tag(note_id=theirs.note, word="x"))


@pytest.mark.parametrize("change", ["add", "insert", "update", "delete"])
async def test_nothing_is_written_without_a_tenant(change: str, serve: Any) -> None:
    with pytest.raises(NoTenantError):
        async with serve(None) as session:
            await _change(session, change)


@pytest.mark.parametrize("change", ["add", "insert", "update", "delete"])
async def test_nothing_is_written_in_a_session_for_reading(change: str, serve: Any, ours: Any) -> None:
    with pytest.raises(TenantWallError, match="for reading only"):
        async with serve(ours.tenant, read_only=True) as session:
            await _change(session, change)
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(Note.title))).all() == ["ours"]


async def _change(session: AsyncSession, change: str) -> None:
    if change == "add":
        session.add(Note(title="x"))
        await session.flush()
    elif change == "insert":
        await session.exec(insert(Note).values(title="x"))
    else:
        await session.exec(update(Note).values(title="x") if change == "update" else delete(Note))


async def test_a_session_made_by_hand_is_refused(database: Any, ours: Any) -> None:
    with use_context(Context(runtime=None, tenant_id=ours.tenant)):  # type: ignore[arg-type]
        async with AsyncSession(database.app, sync_session_class=TenantSession) as session:
            with pytest.raises(TenantWallError, match="made by hand"):
                await session.exec(select(Note))
        # One of another class is stopped by the engine.
        async with AsyncSession(database.app) as session:
            with pytest.raises(TenantWallError, match="Raw SQL on a connection"):
                await session.exec(select(Note))


async def test_a_failed_block_writes_nothing(serve: Any, ours: Any) -> None:
    async def fail() -> None:
        async with serve(ours.tenant) as session:
            session.add(Note(title="x"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(Note.title))).all() == ["ours"]


async def test_the_walls_own_mark_cannot_be_forged(serve: Any, ours: Any, addresses: Any) -> None:
    async with serve(ours.tenant) as session:
        connection = await (await session.connection()).execution_options(riveredge_checked=True)
        with pytest.raises(TenantWallError):
            await connection.execute(text("SELECT * FROM example_note"))


async def test_the_guard_is_the_serving_engines_alone(addresses: Any) -> None:
    # What is refused above is refused by the wall: the same SQL runs where there is none.
    engine = create_async_engine(addresses["system_url"])
    async with engine.connect() as connection:
        await connection.execute(text("SELECT * FROM example_note"))
    await engine.dispose()
