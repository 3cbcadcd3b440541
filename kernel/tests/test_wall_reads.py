"""Reads give the served tenant's rows only, however they are written."""

from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import exists, func, inspect, text, true, union_all
from sqlalchemy.orm import aliased, joinedload, lazyload, selectinload, subqueryload
from sqlmodel import Relationship, col, select

from riveredge_example.models import Note, Tag
from riveredge_kernel.auth.models import RoleRow
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk import TenantModel, plugin_registry, tenant_fk, uuid7
from riveredge_sdk.context import NoTenantError
from riveredge_sdk.tenancy import raw_sql_reviewed

pytestmark = pytest.mark.database

REGISTRY = plugin_registry("walltest")
JOIN = {"primaryjoin": "Box.id == Thing.box_id", "foreign_keys": "Thing.box_id"}


class Model(TenantModel, registry=REGISTRY):
    """Base of this test's tables."""


# Their relationships are joined by id alone, and their tables have no row-level security: a key that points across
# tenants shows whether the wall filters what the ORM loads by itself.
class Box(Model, table=True):
    __tablename__ = "walltest_box"

    name: str
    things: list["Thing"] = Relationship(back_populates="box", sa_relationship_kwargs=JOIN)


class Thing(Model, table=True):
    __tablename__ = "walltest_thing"

    box_id: UUID
    name: str
    box: Box | None = Relationship(back_populates="things", sa_relationship_kwargs=JOIN)


class Label(Model, table=True):
    __tablename__ = "walltest_label"
    __table_args__ = (tenant_fk("box_id", "walltest_box"),)

    box_id: UUID


OTHER = aliased(Note)
SUBQUERY = select(Note).subquery()
CTE = select(Note.title).cte()

TITLES = {
    "columns": select(Note.title),
    "an alias": select(OTHER.title),
    "an alias of a subquery": select(aliased(Note, SUBQUERY).title),
    "an alias of the bare table": select(aliased(Note, cast("Any", inspect(Note)).local_table.alias()).title),
    "a subquery": select(SUBQUERY.c.title),
    "a common table expression": select(CTE.c.title),
    "a plain column of a class": select(cast("Any", cast("Any", inspect(Note)).local_table.c.title)).select_from(Note),
    "a scalar subquery": select(select(func.max(Note.title)).scalar_subquery()),
    "a function": select(func.max(Note.title)),
    "a function of two classes": select(func.coalesce(col(Note.title), Tag.word)).select_from(Note).join(Tag, true()),
    "a window": select(func.max(Note.title).over()).select_from(Note),
    "a window of a joined class": select(func.max(Note.title).over(partition_by=col(Tag.word)))
    .select_from(Note)
    .join(Tag, true()),
    "a filtered aggregate": select(func.max(Note.title).filter(col(Note.title) != "")).select_from(Note),
    "a subquery in where": select(Note.title).where(col(Note.id).in_(select(OTHER.id))),
    "distinct and order by": select(Note.title).distinct().order_by("title"),
    "for update": select(Note.title).with_for_update(),
}
COUNTS = {
    "of rows": select(func.count()).select_from(Note),
    "of a column": select(func.count(col(Note.id))),
    "of a subquery": select(func.count()).select_from(select(Note.id).subquery()),
    "of a scalar subquery": select(select(func.count(col(Note.id))).scalar_subquery()),
    "of a correlated subquery": select(
        select(func.count(col(Tag.id))).where(Tag.note_id == Note.id).scalar_subquery()
    ).select_from(Note),
    "of a join": select(func.count()).select_from(Note).join(Tag, true()),
    "of an outer join": select(func.count()).select_from(Note).outerjoin(Tag, true()),
    "of two aliases": select(func.count()).select_from(aliased(Note)).join(OTHER, true()),
}


@pytest.mark.parametrize("name", TITLES)
async def test_only_the_tenants_rows_are_read(name: str, serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert (await session.exec(TITLES[name])).all() == ["ours"]


@pytest.mark.parametrize("name", COUNTS)
async def test_only_the_tenants_rows_are_counted(name: str, serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert (await session.exec(COUNTS[name])).one() == 1


async def test_entities_and_joins(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert [note.id for note in await session.exec(select(Note))] == [ours.note]
        assert (await session.exec(select(Note.id, Tag.id).join(Tag, true()))).all() == [(ours.note, ours.tag)]
        # The filter stands in the join's ON: a foreign row is no match, and the row on the left remains.
        missed = select(Note.id, Tag.id).outerjoin(Tag, col(Tag.word) == "theirs")
        assert (await session.exec(missed)).all() == [(ours.note, None)]


@pytest.mark.parametrize("outer", [False, True])
async def test_joined_aliases_are_filtered(outer: bool, serve: Any, ours: Any, theirs: Any) -> None:
    tag, first, second = aliased(Tag), aliased(Note), aliased(Note)
    # A filter that names the class's own table in an alias's ON would let every row of the alias through.
    statements: list[tuple[Any, Any]] = [
        (select(Note.id, OTHER.id).join(OTHER, true(), isouter=outer), (ours.note, ours.note)),
        (select(first.id, second.id).join(second, true(), isouter=outer), (ours.note, ours.note)),
        (select(first.id, Note.id).select_from(first).join(Note, true(), isouter=outer), (ours.note, ours.note)),
        (select(Note.id, tag.id).join(tag, true(), isouter=outer), (ours.note, ours.tag)),
    ]
    async with serve(ours.tenant) as session:
        for statement, expected in statements:
            assert (await session.exec(statement)).all() == [expected]


async def test_unions(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        both: Any = select(Note.title).union_all(select(Tag.word))
        assert (await session.exec(both)).all() == [("ours",), ("ours",)]
        entities: Any = select(Note).from_statement(union_all(select(Note), select(Note)))
        assert [note.id for note in (await session.exec(entities)).scalars()] == [ours.note] * 2
        inside: Any = select(func.count()).select_from(both.subquery())
        assert (await session.exec(inside)).one() == 2


async def test_exists(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(exists().where(col(Note.title) == "ours")))).one()
        assert not (await session.exec(select(exists().where(col(Note.title) == "theirs")))).one()
        assert not (await session.exec(select(exists(select(Note.id).where(Note.title == "theirs"))))).one()


async def test_tables_of_the_platform_are_read_through_the_tenants(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        having_notes = select(Tenant.id).where(col(Tenant.id).in_(select(Note.tenant_id)))
        assert (await session.exec(having_notes)).all() == [ours.tenant]
        named = (await session.exec(select(Tenant.id).where(col(Tenant.id).in_([ours.tenant, theirs.tenant])))).all()
        assert set(named) == {ours.tenant, theirs.tenant}


async def test_the_kernels_tables_are_filtered_too(serve: Any, ours: Any, theirs: Any) -> None:
    for owner in (ours, theirs):
        async with serve(owner.tenant) as session:
            session.add(RoleRow(key="clerk", title="Clerk", permissions=[]))
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(RoleRow.tenant_id))).all() == [ours.tenant]


async def test_get(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert (await session.get(Note, ours.note)).title == "ours"
        assert await session.get(Note, theirs.note) is None
        assert await session.get(Note, theirs.note, populate_existing=True, with_for_update=True) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_query_of_the_old_kind(serve: Any, ours: Any, theirs: Any) -> None:
    async with serve(ours.tenant) as session:
        assert await session.run_sync(lambda sync: [note.id for note in sync.query(Note)]) == [ours.note]
        assert await session.run_sync(lambda sync: sync.query(Note).count()) == 1
        deleted = await session.run_sync(lambda sync: sync.query(Tag).delete())
        assert deleted == 1


async def test_one_compiled_statement_serves_each_tenant_its_own(serve: Any, ours: Any, theirs: Any) -> None:
    statement = select(Note.id)
    for owner in (ours, theirs, ours):
        async with serve(owner.tenant) as session:
            assert (await session.exec(statement)).all() == [owner.note]


async def test_no_tenant_reads_nothing(serve: Any, ours: Any) -> None:
    async with serve(None) as session:
        assert ours.tenant in (await session.exec(select(Tenant.id))).all()
        with pytest.raises(NoTenantError):
            await session.exec(select(Note))
        with pytest.raises(NoTenantError):
            await session.exec(select(Tenant.id).where(col(Tenant.id).in_(select(Note.tenant_id))))
        with pytest.raises(NoTenantError):
            await session.get(Note, ours.note)


async def test_reviewed_sql_gets_the_tenant(serve: Any, ours: Any, theirs: Any) -> None:
    raw = raw_sql_reviewed(text("SELECT title FROM example_note WHERE tenant_id = :tenant_id"), reason="a test")
    for owner, title in ((ours, "ours"), (theirs, "theirs")):
        async with serve(owner.tenant) as session:
            assert (await session.exec(raw)).scalars().all() == [title]
    async with serve(None) as session:
        with pytest.raises(NoTenantError):
            await session.exec(raw)


@pytest.fixture
async def box(database: Any, relations: None, ours: Any, theirs: Any) -> UUID:
    """Our box, with a thing of ours and one of theirs that points at it."""
    made = Box(id=uuid7(), tenant_id=ours.tenant, name="ours")
    foreign = Box(id=uuid7(), tenant_id=theirs.tenant, name="theirs")
    things = [
        Thing(tenant_id=ours.tenant, box_id=made.id, name="ours"),
        Thing(tenant_id=theirs.tenant, box_id=made.id, name="theirs"),
        Thing(tenant_id=ours.tenant, box_id=foreign.id, name="lost"),
    ]
    async with database.system("test", None) as session:
        session.add_all([made, foreign, *things])
    return made.id


@pytest.mark.parametrize("load", [selectinload, joinedload, subqueryload])
async def test_relationships_load_the_tenants_rows_only(load: Any, serve: Any, ours: Any, box: UUID) -> None:
    async with serve(ours.tenant) as session:
        boxes = (await session.exec(select(Box).options(load(Box.things)))).unique().all()
        assert [[thing.name for thing in made.things] for made in boxes] == [["ours"]]
    async with serve(ours.tenant) as session:
        things = (await session.exec(select(Thing).options(load(Thing.box)).order_by(col(Thing.name)))).all()
        assert [(t.name, t.box and t.box.name) for t in things] == [("lost", None), ("ours", "ours")]


async def test_lazy_loads_are_filtered(serve: Any, ours: Any, box: UUID) -> None:
    async with serve(ours.tenant) as session:
        made = await session.get(Box, box)
        assert await session.run_sync(lambda _: [thing.name for thing in made.things]) == ["ours"]
    async with serve(ours.tenant) as session:
        lost = (
            await session.exec(select(Thing).where(Thing.name == "lost").options(lazyload(cast("Any", Thing.box))))
        ).one()
        assert await session.run_sync(lambda _: lost.box) is None


async def test_conditions_on_relationships_are_filtered(serve: Any, ours: Any, box: UUID) -> None:
    things: Any = Box.things
    async with serve(ours.tenant) as session:
        assert (await session.exec(select(Box.name).where(things.any(Thing.name == "ours")))).all() == ["ours"]
        assert (await session.exec(select(Box.name).where(things.any(Thing.name == "theirs")))).all() == []
        lost: Any = Thing.box
        assert (await session.exec(select(Thing.name).where(lost.has()))).all() == ["ours"]
        joined = select(Box.name, Thing.name).join(things)
        assert (await session.exec(joined)).all() == [("ours", "ours")]
