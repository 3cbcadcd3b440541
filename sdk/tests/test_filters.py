"""Filters: SQL and plain values give the same answer on both databases, and every mistake is named with its path."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import create_async_engine

from riveredge_sdk.filter_fields import MAX_LIST, MAX_TEXT, OPERATORS, FieldType
from riveredge_sdk.filters import MAX_CONDITIONS, MAX_DEPTH, Filter, FilterField, FilterSet
from riveredge_sdk.models import UtcDateTime
from riveredge_sdk.problems import Invalid
from riveredge_sdk.testing.postgres import PostgresServer, find_postgres, in_thread

Row = dict[str, Any]

THINGS = Table(
    "things",
    MetaData(),
    Column("nr", Integer, primary_key=True),
    Column("text", Text),
    Column("small", Integer),
    Column("integer", BigInteger),
    Column("number", Float(53)),
    Column("boolean", Boolean),
    Column("datetime", UtcDateTime),
    Column("date", Date),
    Column("uuid", Uuid),
)
FIELDS = FilterSet(
    [
        *(FilterField(kind, kind, THINGS.c[kind]) for kind in get_args(FieldType)),
        FilterField("small", "integer", THINGS.c.small),
    ]
)
# What databases disagree about: case beyond ASCII, wildcards, the escape sign itself, combining marks, trailing space.
TEXTS = [
    "",
    " ",
    "a",
    "A",
    "aB%",
    "a_c",
    "100%",
    "_",
    "\\",
    "/",
    "a/%",
    "ÄÖÜ",
    "äöü",
    "ß",
    "İ",
    "ı",
    "牛奶",
    "牛",
    "奶",
    "é",
    "e\u0301",
]
INSTANTS = [
    datetime(2026, 11, 23, 8, tzinfo=UTC),
    datetime(2026, 11, 23, 8, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 11, 23, 9, tzinfo=timezone(timedelta(hours=1))),
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-12))),
]
# Bounds of naive local times, as hypothesis wants them.
EARLY, LATE = datetime(1900, 1, 2), datetime(2999, 12, 30)  # noqa: DTZ001
alphabet = st.characters(codec="utf-8", exclude_characters="\x00")
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(TEXTS) | st.text(alphabet, max_size=6),
    "small": st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1]),
    "integer": st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1]),
    "number": st.sampled_from([-1.5, 0.0, -0.0, 0.1, 1e300]) | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "datetime": st.sampled_from(INSTANTS) | st.datetimes(EARLY, LATE, timezones=st.just(UTC)),
    "date": st.sampled_from([date(2026, 2, 28), date(2026, 3, 1)]) | st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "uuid": st.sampled_from([UUID(int=0), UUID(int=1), UUID(int=2**128 - 1)]) | st.uuids(),
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in PLAIN.items()}), min_size=1, max_size=5
)


def as_json(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value.isoformat() if isinstance(value, date) else value


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(PLAIN)))
    found = FIELDS.get(name)
    assert found is not None
    op = draw(st.sampled_from(sorted(OPERATORS[found.type])))
    values = PLAIN[name].map(as_json)
    if op == "is_null":
        values = st.booleans()
    elif op in {"in", "not_in"}:
        values = st.lists(values, max_size=3)
    elif op == "between":
        values = st.lists(values, min_size=2, max_size=2)
    return {"field": name, "op": op, "value": draw(values)}


def _nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"match": st.sampled_from(["all", "any", "none"]), "conditions": st.lists(inner, max_size=3)}
    )


filters = _nest(comparisons() | _nest(comparisons() | _nest(comparisons())))


class Asks:
    """A database that tells which of some rows pass a filter."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def passing(self, given_rows: Sequence[Row], wanted: Filter) -> list[int]:
        with self._engine.connect() as connection:
            found = ask(connection, given_rows, wanted)
            connection.rollback()
        return found


class AsksPostgres:
    """The same on PostgreSQL, whose driver is asynchronous: one connection in a loop of its own for each question."""

    def __init__(self, url: str) -> None:
        self._url = url

    def passing(self, given_rows: Sequence[Row], wanted: Filter) -> list[int]:
        async def work() -> list[int]:
            engine = create_async_engine(self._url)
            try:
                async with engine.connect() as connection:
                    return await connection.run_sync(ask, given_rows, wanted)
            finally:
                await engine.dispose()

        return in_thread(work)


def ask(connection: Connection, given_rows: Sequence[Row], wanted: Filter) -> list[int]:
    connection.execute(insert(THINGS), [{"nr": nr, **row} for nr, row in enumerate(given_rows)])
    return list(connection.scalars(select(THINGS.c.nr).where(wanted.sql()).order_by(THINGS.c.nr)))


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Asks]:
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    yield Asks(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[AsksPostgres]:
    server = find_postgres()
    if server is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a PostgreSQL")
        pytest.skip("no PostgreSQL here")
    made = server.create_database()
    _create(server, made.owner)
    yield AsksPostgres(made.owner)
    server.drop_database(made.name)


def _create(_server: PostgresServer, url: str) -> None:
    async def work() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(THINGS.metadata.create_all)
        await engine.dispose()

    in_thread(work)


def agree(database: Asks | AsksPostgres, given_rows: Sequence[Row], source: dict[str, Any]) -> None:
    wanted = FIELDS.parse(json.dumps(source, ensure_ascii=False))
    assert database.passing(given_rows, wanted) == [nr for nr, row in enumerate(given_rows) if wanted.matches(row)]


def every_comparison() -> Iterator[tuple[str, str]]:
    for name in sorted(PLAIN):
        found = FIELDS.get(name)
        assert found is not None
        yield from ((name, op) for op in sorted(OPERATORS[found.type]))


SAMPLES: dict[str, list[Any]] = {
    "text": [*TEXTS, "xa/%y", "X牛奶Y", "ÄB"],
    "small": [-(2**31), -1, 0, 1, 2**31 - 1],
    "integer": [-(2**63), -1, 0, 1, 2**63 - 1],
    "number": [-1.5, 0.0, 0.1, 3.0, 1e300],
    "boolean": [True, False],
    "datetime": INSTANTS,
    "date": [date(1, 1, 1), date(2026, 2, 28), date(9999, 12, 31)],
    "uuid": [UUID(int=0), UUID(int=1), UUID(int=2**128 - 1)],
}


def _values(name: str, op: str) -> list[Any]:
    plain = [as_json(value) for value in SAMPLES[name]]
    if op == "is_null":
        return [True, False]
    if op in {"in", "not_in"}:
        return [[], plain[:1], plain[1:3]]
    if op == "between":
        return [[low, high] for low in plain[:3] for high in plain[:3]]
    return plain


@pytest.mark.parametrize("match", ["all", "none"])
@pytest.mark.parametrize(("name", "op"), list(every_comparison()))
def test_every_operator_of_every_type_agrees(sqlite: Asks, name: str, op: str, match: str) -> None:
    given_rows = [dict.fromkeys(PLAIN), *({**dict.fromkeys(PLAIN), name: value} for value in SAMPLES[name])]
    for value in _values(name, op):
        agree(sqlite, given_rows, {"match": match, "conditions": [{"field": name, "op": op, "value": value}]})


@pytest.mark.parametrize(("name", "op"), list(every_comparison()))
def test_every_operator_of_every_type_agrees_on_postgresql(postgresql: AsksPostgres, name: str, op: str) -> None:
    given_rows = [dict.fromkeys(PLAIN), *({**dict.fromkeys(PLAIN), name: value} for value in SAMPLES[name])]
    wanted = [FIELDS.parse({"conditions": [{"field": name, "op": op, "value": v}]}) for v in _values(name, op)]
    for one in wanted:
        found = postgresql.passing(given_rows, one)
        assert found == [nr for nr, row in enumerate(given_rows) if one.matches(row)], one


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(given_rows=rows, source=filters)
@example(
    given_rows=[dict.fromkeys(PLAIN)],
    source={"match": "none", "conditions": [{"field": "text", "op": "eq", "value": "a"}]},
)
@example(
    given_rows=[dict.fromkeys(PLAIN)],
    source={
        "match": "none",
        "conditions": [
            {"match": "all", "conditions": [{"field": "small", "op": "lt", "value": 1}]},
            {"match": "any", "conditions": [{"field": "uuid", "op": "not_in", "value": []}]},
        ],
    },
)
def test_sqlite_and_plain_values_agree(sqlite: Asks, given_rows: list[Row], source: dict[str, Any]) -> None:
    agree(sqlite, given_rows, source)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(given_rows=rows, source=filters)
def test_postgresql_and_plain_values_agree(
    postgresql: AsksPostgres, given_rows: list[Row], source: dict[str, Any]
) -> None:
    agree(postgresql, given_rows, source)


@given(row=rows.map(lambda found: found[0]), name=st.sampled_from(sorted(PLAIN)), data=st.data())
def test_ne_and_not_in_are_the_opposites(row: Row, name: str, data: st.DataObject) -> None:
    value = as_json(data.draw(PLAIN[name]))
    for op, opposite, given_value in [("eq", "ne", value), ("in", "not_in", [value])]:
        if name == "boolean" and op == "in":
            continue
        one, other = (
            FIELDS.parse({"conditions": [{"field": name, "op": o, "value": given_value}]}) for o in (op, opposite)
        )
        assert one.matches(row) != other.matches(row)


def test_case_is_folded_for_ascii_letters_only(sqlite: Asks) -> None:
    given_rows = [{"text": text} for text in ("MILK", "ÄPFEL", "äpfel")]

    def passing(value: str) -> list[int]:
        return sqlite.passing(
            given_rows, FIELDS.parse({"conditions": [{"field": "text", "op": "contains", "value": value}]})
        )

    assert passing("milk") == [0]
    assert passing("ÄPFEL") == [1]
    assert passing("Äpfel") == [1]
    assert passing("äPFEL") == [2]


def test_an_empty_filter_lets_everything_through() -> None:
    for source in (None, "", {}, {"match": "any", "conditions": []}, {"match": "none"}):
        assert FIELDS.parse(source).matches({})


def test_a_missing_value_is_an_absent_one() -> None:
    assert FIELDS.parse({"conditions": [{"field": "text", "op": "is_null", "value": True}]}).matches({})
    assert FIELDS.parse({"conditions": [{"field": "text", "op": "ne", "value": "a"}]}).matches({})
    assert not FIELDS.parse({"conditions": [{"field": "small", "op": "lt", "value": 1}]}).matches({})


# -- mistakes -------------------------------------------------------------------------------------------------------


def mistakes(source: Any, where: str = "query.filter") -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        FIELDS.parse(source, where=where)
    assert caught.value.status == 422
    return [(error.field, error.code) for error in caught.value.errors]


def comparison(field: Any = "text", op: Any = "eq", value: Any = "a") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize("text", ["{", "no", "[" * 100_000, "1" * 5000, "{'a': 1}"])
def test_what_is_not_json_is_named(text: str) -> None:
    assert mistakes(text) == [("query.filter", "json")]


@pytest.mark.parametrize("source", ["[]", "1", '"text"', "true", '{"conditions": [], "sort": 1}', '{"field": "text"}'])
def test_what_is_no_filter_is_named(source: str) -> None:
    assert mistakes(source) == [("query.filter", "filter")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"match": "some"}, [("query.filter.match", "filter")]),
        ({"match": []}, [("query.filter.match", "filter")]),
        ({"match": None}, [("query.filter.match", "filter")]),
        ({"conditions": {}}, [("query.filter.conditions", "filter")]),
        ({"conditions": None}, [("query.filter.conditions", "filter")]),
        ({"conditions": [None]}, [("query.filter.conditions.0", "filter")]),
        ({"conditions": [[]]}, [("query.filter.conditions.0", "filter")]),
        ({"conditions": [{"field": "text", "op": "eq"}]}, [("query.filter.conditions.0", "filter")]),
        ({"conditions": [{**comparison(), "not": True}]}, [("query.filter.conditions.0", "filter")]),
        ({"conditions": [comparison(field="colour")]}, [("query.filter.conditions.0.field", "unknown_field")]),
        ({"conditions": [comparison(field=["text"])]}, [("query.filter.conditions.0.field", "unknown_field")]),
        ({"conditions": [comparison(op="like")]}, [("query.filter.conditions.0.op", "unknown_op")]),
        ({"conditions": [comparison(op="lt")]}, [("query.filter.conditions.0.op", "unknown_op")]),
        ({"conditions": [comparison(op=None)]}, [("query.filter.conditions.0.op", "unknown_op")]),
        ({"conditions": [comparison(op=["eq"])]}, [("query.filter.conditions.0.op", "unknown_op")]),
        ({"conditions": [comparison(op={"eq": 1})]}, [("query.filter.conditions.0.op", "unknown_op")]),
    ],
)
def test_the_path_leads_to_the_mistake(source: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert mistakes(source) == expected


def test_all_mistakes_are_told_at_once_also_nested_ones() -> None:
    source = {
        "match": "any",
        "conditions": [
            comparison(),
            comparison(op="between"),
            {"match": "never", "conditions": [comparison("small", "between", [1])]},
        ],
    }
    assert mistakes(source, where="rule") == [
        ("rule.conditions.1.op", "unknown_op"),
        ("rule.conditions.2.match", "filter"),
        ("rule.conditions.2.conditions.0.value", "value"),
    ]


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("text", "eq", None),
        ("text", "eq", 1),
        ("text", "eq", "a\x00"),
        ("text", "contains", "\ud800"),
        ("text", "contains", "x" * (MAX_TEXT + 1)),
        ("text", "in", "a"),
        ("text", "in", {"a": 1}),
        ("text", "in", [None]),
        ("text", "in", ["a"] * (MAX_LIST + 1)),
        ("text", "is_null", None),
        ("text", "is_null", 1),
        ("small", "eq", 2**31),
        ("small", "eq", -(2**31) - 1),
        ("integer", "eq", 2**63),
        ("integer", "eq", 1.0),
        ("integer", "eq", True),
        ("integer", "between", [1, 2, 3]),
        ("integer", "between", 1),
        ("number", "eq", True),
        ("number", "eq", "1"),
        ("number", "eq", float("nan")),
        ("number", "eq", float("inf")),
        ("number", "eq", 10**400),
        ("boolean", "eq", "true"),
        ("boolean", "eq", 0),
        ("datetime", "eq", "2026-11-23T08:00:00"),
        ("datetime", "eq", "0001-01-01T00:00:00+23:59"),
        ("datetime", "eq", 1_764_000_000),
        ("datetime", "eq", "tomorrow"),
        ("date", "eq", "2026-02-30"),
        ("date", "eq", "2026-02-28T00:00:00Z"),
        ("uuid", "eq", "1"),
        ("uuid", "in", ["x"]),
    ],
)
def test_a_wrong_value_is_named(field: str, op: str, value: Any) -> None:
    assert mistakes({"conditions": [comparison(field, op, value)]}) == [("query.filter.conditions.0.value", "value")]


def test_filters_nest_five_deep_and_no_deeper() -> None:
    source: dict[str, Any] = {"conditions": [comparison()]}
    for _ in range(MAX_DEPTH - 1):
        source = {"conditions": [source]}
    FIELDS.parse(source)
    place = "query.filter" + ".conditions.0" * MAX_DEPTH
    assert mistakes({"conditions": [source]}) == [(place, "too_deep")]


def test_a_filter_has_a_hundred_conditions_and_no_more() -> None:
    FIELDS.parse({"conditions": [comparison()] * MAX_CONDITIONS})
    assert mistakes({"conditions": [comparison()] * (MAX_CONDITIONS + 1)}) == [("query.filter", "too_many")]


def test_fields_are_described_for_people() -> None:
    titled = FilterSet([FilterField("done", "boolean", title="Is it done?"), FilterField("title", "text")])
    assert titled.describe() == [
        {"field": "done", "title": "Is it done?", "type": "boolean", "ops": ["eq", "is_null", "ne"]},
        {"field": "title", "title": "title", "type": "text", "ops": sorted(OPERATORS["text"])},
    ]
