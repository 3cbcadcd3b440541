"""Statements that the session cannot filter are refused, wherever in them the unfilterable part hides."""

from typing import Any

import pytest
from sqlalchemy import (
    DDL,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    true,
    union_all,
    update,
    values,
)
from sqlalchemy import String as Text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import aliased, join

from riveredge_example.models import Note, Tag
from riveredge_kernel.auth.models import User
from riveredge_sdk import uuid7
from riveredge_sdk.tenancy import TenantWallError, raw_sql_reviewed

pytestmark = pytest.mark.database

BARE: Any = Note.__table__  # type: ignore[attr-defined]
TITLE: Any = Note.title
ID: Any = Note.id
WORD: Any = Tag.word
NOTE_ID: Any = Tag.note_id
OTHER: Any = aliased(Note)
LIGHT = table("example_note", column("title"))
STOLEN = select(func.max(BARE.c.title)).scalar_subquery()
FILTERABLE = select(func.max(OTHER.title)).scalar_subquery()

READS = {
    "text": text("SELECT title FROM example_note"),
    "text with columns": text("SELECT title FROM example_note").columns(column("title")),
    "text as entities": select(Note).from_statement(text("SELECT * FROM example_note")),
    "text in where": select(TITLE).where(text("1 = 1")),
    "text in order by": select(TITLE).order_by(text("1")),
    "text in group by": select(func.max(TITLE)).group_by(text("title")),
    "text in a window": select(func.max(TITLE).over(order_by=text("1"))),
    "literal_column": select(literal_column("title")).select_from(Note),
    "literal column": select(column("title", is_literal=True)).select_from(Note),
    "bare table": select(BARE),
    "bare table's select": BARE.select(),
    "bare column": select(BARE.c.title),
    "bare column in a function": select(func.count(BARE.c.id)),
    "bare table as FROM": select(literal(1)).select_from(BARE),
    "bare alias": select(BARE.alias()),
    "bare table for the columns": select(Note).with_only_columns(BARE.c.title),
    "bare table joined": select(TITLE).outerjoin(BARE.alias(), true()),
    "table()": select(column("title")).select_from(LIGHT),
    "table()'s column": select(LIGHT.c.title),
    "smuggled into a union": select(TITLE).union(select(BARE.c.title)),
    "smuggled into a union, first": union_all(select(LIGHT.c.title), select(TITLE)),
    "smuggled into where": select(TITLE).where(TITLE.in_(select(BARE.c.title))),
    "smuggled into where by an alias": select(TITLE).where(ID.in_(select(BARE.alias().c.id))),
    "smuggled into exists": select(exists().where(BARE.c.title == "theirs")),
    "smuggled into exists by select": select(exists(BARE.select())),
    "smuggled into having": select(func.max(TITLE)).having(exists(select(BARE.c.id))),
    "smuggled into order by": select(TITLE).order_by(STOLEN),
    "smuggled into limit": select(TITLE).limit(select(func.count(BARE.c.id)).scalar_subquery()),
    "smuggled into a cast": select(cast(STOLEN, Text)),
    "smuggled into case": select(case((exists(select(BARE.c.id)), 1), else_=2)),
    "smuggled into a filter": select(func.max(TITLE).filter(exists(select(BARE.c.id)))),
    "smuggled into a subquery": select(select(BARE.c.title).subquery().c.title),
    "smuggled into a cte": select(select(BARE.c.title).cte().c.title),
    "smuggled beside as a cte": select(TITLE).add_cte(select(BARE.c.title).cte("beside")),
    "smuggled into an alias of the class": select(aliased(Note, select(BARE).subquery())),
    "smuggled into VALUES": select(values(column("a", Text), name="v").data([(STOLEN,)])),
    "text in VALUES": select(values(column("a", Text), name="v").data([(text("(SELECT 1)"),)])),
    "prefix": select(TITLE).prefix_with("(SELECT max(title) FROM example_note),"),
    "suffix": select(TITLE).suffix_with("UNION SELECT title FROM example_note"),
    "prefix in a subquery": select(select(TITLE).prefix_with("title,").subquery().c.title),
    "statement hint": select(TITLE).with_statement_hint("UNION SELECT title FROM example_note"),
    "hint": select(TITLE).with_hint(Note, "NOT INDEXED"),
    "operator": select(TITLE.op("|| (SELECT max(title) FROM example_note) ||")("")),
    "operator of words": select(TITLE.op("UNION SELECT title FROM example_note LIMIT")(9)),
    "operator with a comment": select(TITLE).where(TITLE.op("= '' OR 1 = 1 --")("x")),
    "operator that is a comment": select(TITLE).where(TITLE.op("--")("x")),
    "set_config": func.set_config("app.tenant_id", "", True),
    "set_config selected": select(func.pg_catalog.SET_CONFIG("app.tenant_id", "", True)),
    "update as a cte": select(update(Note).values(title="x").returning(ID).cte().c.id),
    "insert as a cte": select(insert(Note).values(title="x").returning(ID).cte().c.id),
    "delete beside as a cte": select(TITLE).add_cte(delete(Note).cte("beside")),
    # What the ORM finds only inside an expression it reads without a filter.
    "second class in a function": select(func.coalesce(TITLE, WORD)),
    "second class in a sum": select(TITLE + WORD),
    "second class in a case": select(case((TITLE == "x", WORD), else_=TITLE)),
    "second class in a function of where": select(TITLE).where(func.lower(WORD) == "x"),
    "second class in a list of where": select(TITLE).where(TITLE.in_([WORD])),
    "second class in a function of a subquery": select(TITLE).where(TITLE.in_(select(func.coalesce(TITLE, WORD)))),
    "alias in a function": select(func.coalesce(TITLE, OTHER.title)),
    "alias in a function of where": select(TITLE).where(func.lower(OTHER.title) == "x"),
    "window without select_from": select(func.max(TITLE).over()),
    "filter of an aggregate": select(func.count().filter(TITLE == "x")),
    "join in select_from": select(ID).select_from(join(Note, Tag, true())).order_by(WORD),
    "alias joined in select_from": select(ID).select_from(join(Note, OTHER, true())),
    "raw SQL without the tenant": raw_sql_reviewed(text("SELECT title FROM example_note"), reason="a test"),
}

CHANGES = {
    "DDL": DDL("DROP TABLE example_tag"),  # type: ignore[no-untyped-call]
    "bare table updated": update(BARE).values(title="x"),
    "bare table deleted": delete(BARE),
    "bare table inserted": insert(BARE).values(title="x"),
    "text updated": text("UPDATE example_note SET title = 'x'"),
    "update of the tenant": update(Note).values(tenant_id=None),
    "update of the tenant by column": update(Note).values({BARE.c.tenant_id: None}),
    "update of the tenant in order": update(Note).ordered_values(("tenant_id", None)),
    "update joined": update(Note).values(title="x").where(ID == NOTE_ID),
    "update from its values": update(Note).values(title=OTHER.title),
    "update of an alias": update(OTHER).values(title="x"),
    "update with a bare subquery": update(Note).values(title=STOLEN),
    "update returning a bare subquery": update(Note).values(title="x").returning(STOLEN),
    "update with text": update(Note).values(title=text("(SELECT max(title) FROM example_note)")),
    "update where text": update(Note).values(title="x").where(text("1 = 1")),
    "update with a prefix": update(Note).values(title="x").prefix_with("OR REPLACE"),
    "delete joined": delete(Tag).where(NOTE_ID == ID),
    "delete of an alias": delete(aliased(Tag)),
    "delete returning a bare subquery": delete(Tag).returning(STOLEN),
    "insert from a select": insert(Note).from_select(["title"], select(TITLE)),
    "insert from a bare select": insert(Note).from_select(["title"], select(BARE.c.title)),
    "insert of several rows": insert(Note).values([{"title": "x"}]),
    "insert with a bare subquery": insert(Note).values(title=STOLEN),
    # No criteria reach what is inside an INSERT, not even mapped classes.
    "insert with a subquery": insert(Note).values(title=FILTERABLE),
    "insert returning a subquery": insert(Note).values(title="x").returning(FILTERABLE),
    "insert returning text": insert(Note).values(title="x").returning(text("(SELECT 1)")),
    # On SQLite this would take the place of another tenant's row with the same id.
    "insert or replace": insert(Note).values(title="x").prefix_with("OR REPLACE"),
}


TENANT = uuid7()


@pytest.mark.parametrize("name", [*READS, *CHANGES])
async def test_it_is_refused(name: str, serve: Any) -> None:
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError):
            await session.exec((READS | CHANGES)[name])


@pytest.mark.parametrize("name", ["text", "bare table", "smuggled into a union", "DDL", "update of an alias"])
@pytest.mark.parametrize("method", ["execute", "scalar", "scalars", "stream", "stream_scalars"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_every_way_to_run_it_refuses_it(name: str, method: str, serve: Any) -> None:
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError):
            await getattr(session, method)((READS | CHANGES)[name])


@pytest.mark.parametrize("make", [sqlite_insert, postgresql_insert])
@pytest.mark.parametrize(
    "conflict",
    [
        {"index_elements": ["id"], "set_": {"title": "x"}},
        {"index_elements": ["tenant_id", "id"], "set_": {"tenant_id": None}},
        {"index_elements": ["tenant_id", "id"], "set_": {"title": text("(SELECT max(title) FROM example_note)")}},
        {"index_elements": ["tenant_id", "id"], "set_": {"title": STOLEN}},
        {"index_elements": ["tenant_id", "id"], "set_": {"title": FILTERABLE}},
        {"index_elements": ["tenant_id", "id"], "set_": {"title": "x"}, "where": text("1 = 1")},
        {"index_elements": ["tenant_id", "id"], "set_": {"title": "x"}, "where": exists(select(BARE.c.id))},
    ],
)
async def test_an_upsert_that_could_reach_another_tenant_is_refused(
    make: Any, conflict: dict[str, Any], serve: Any
) -> None:
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError):
            await session.exec(make(Note).values(id=uuid7(), title="x").on_conflict_do_update(**conflict))


async def test_an_upsert_by_constraint_is_refused(serve: Any) -> None:
    statement = postgresql_insert(Note).values(id=uuid7(), title="x")
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError):
            await session.exec(statement.on_conflict_do_update(constraint="pk_example_note", set_={"title": "x"}))


@pytest.mark.parametrize("value", [STOLEN, FILTERABLE, text("(SELECT max(title) FROM example_note)")])
@pytest.mark.parametrize("model", [Note, User])
async def test_rows_to_insert_hold_no_sql_that_reads(value: Any, model: Any, serve: Any) -> None:
    column = "title" if model is Note else "name"
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError):
            await session.exec(insert(model), params=[{column: value}])


async def test_raw_sql_that_is_no_text_is_refused(serve: Any) -> None:
    async with serve(TENANT) as session:
        with pytest.raises(TenantWallError, match=r"text\(\) only"):
            await session.exec(raw_sql_reviewed(select(BARE), reason="a test"))  # type: ignore[arg-type]


def test_raw_sql_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="say why"):
        raw_sql_reviewed(text("SELECT 1"), reason=" ")
