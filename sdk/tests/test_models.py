"""Ids, instants and what every table has."""

import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, UniqueConstraint, create_engine, insert, select
from sqlalchemy.exc import StatementError
from sqlmodel import Field

from riveredge_sdk import models
from riveredge_sdk.models import (
    JsonType,
    PlatformModel,
    TenantModel,
    UtcDateTime,
    plugin_registry,
    tenant_fk,
    tenant_models,
    utcnow,
    uuid7,
)

TIMES = Table("times", MetaData(), Column("nr", Integer, primary_key=True), Column("at", UtcDateTime))
# Bounds of naive local times, as hypothesis wants them.
EARLY, LATE = datetime(1900, 1, 2), datetime(2999, 12, 30)  # noqa: DTZ001


def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))


class Model(TenantModel, registry=plugin_registry("sdktest")):
    """Base of this test's tables."""


class Album(Model, table=True):
    __tablename__ = "sdktest_album"

    title: str = Field(max_length=20)


class Song(Model, table=True):
    __tablename__ = "sdktest_song"
    __table_args__ = (tenant_fk("album_id", "sdktest_album", ondelete="CASCADE"),)

    album_id: UUID


class Shared(PlatformModel, registry=plugin_registry("sdktest")):
    """Base of its tables without a tenant."""


class Genre(Shared, table=True):
    __tablename__ = "sdktest_genre"

    name: str


@pytest.fixture(scope="module", autouse=True)
def _forget_tables() -> Any:
    """METADATA is shared by all that runs in this process."""
    yield
    for name in ("sdktest_song", "sdktest_album", "sdktest_genre"):
        models.METADATA.remove(models.METADATA.tables[name])


SQLITE: Any = create_engine("sqlite://").dialect
POSTGRESQL: Any = create_engine("postgresql+asyncpg://").dialect


# -- ids ------------------------------------------------------------------------------------------------------------


def test_ids_are_version_7_of_the_rfc_and_tell_their_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after + 1


def test_ids_sort_in_the_order_they_were_made() -> None:
    made = [uuid7() for _ in range(50_000)]
    assert made == sorted(made)
    assert [str(one) for one in made] == sorted(str(one) for one in made)
    assert len(set(made)) == len(made)


def test_ids_go_on_rising_when_the_clock_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second = uuid7()
    assert first < second
    monkeypatch.undo()
    assert second < uuid7()


def test_threads_never_make_the_same_stamp() -> None:
    stamps: list[int] = []

    def make() -> None:
        stamps.extend(uuid7().int >> 64 for _ in range(5_000))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(stamps)) == len(stamps)


# -- instants -------------------------------------------------------------------------------------------------------


def test_now_is_aware() -> None:
    assert utcnow().tzinfo is UTC


def test_a_datetime_without_a_zone_is_refused() -> None:
    engine = create_engine("sqlite://")
    TIMES.metadata.create_all(engine)
    with engine.begin() as connection, pytest.raises(StatementError, match="without a time zone"):
        connection.execute(insert(TIMES), {"at": datetime(2026, 11, 23)})  # noqa: DTZ001
    with engine.begin() as connection, pytest.raises(StatementError, match="without a time zone"):
        connection.execute(select(TIMES).where(TIMES.c.at < datetime(2026, 11, 23)))  # noqa: DTZ001
    engine.dispose()


@given(st.datetimes(EARLY, LATE, timezones=st.integers(-720, 840).map(_zone)))
def test_an_instant_comes_back_in_utc(instant: datetime) -> None:
    engine = create_engine("sqlite://")
    TIMES.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(TIMES), {"at": instant})
        found = connection.scalars(select(TIMES.c.at)).one()
        same = connection.scalars(select(TIMES.c.at).where(TIMES.c.at == instant)).all()
    engine.dispose()
    assert found == instant
    assert found.utcoffset() == timedelta(0)
    assert len(same) == 1


def test_nothing_stays_nothing_and_postgresql_gets_aware_values() -> None:
    kind = UtcDateTime()
    assert kind.process_bind_param(None, SQLITE) is None
    assert kind.process_result_value(None, SQLITE) is None
    bound = kind.process_bind_param(datetime(2026, 11, 23, 9, tzinfo=_zone(60)), POSTGRESQL)
    assert bound == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert bound is not None
    assert bound.tzinfo is UTC
    read = kind.process_result_value(datetime(2026, 11, 23, 9, tzinfo=_zone(60)), POSTGRESQL)
    assert read is not None
    assert read.tzinfo is UTC


def test_json_is_jsonb_on_postgresql() -> None:
    assert JsonType.compile(dialect=POSTGRESQL) == "JSONB"
    assert JsonType.compile(dialect=SQLITE) == "JSON"


# -- tables ---------------------------------------------------------------------------------------------------------


def test_tenant_tables_have_what_tenant_fk_points_at() -> None:
    table = Album.__table__  # type: ignore[attr-defined]
    keys = {tuple(c.name for c in k.columns) for k in table.constraints if isinstance(k, UniqueConstraint)}
    assert ("tenant_id", "id") in keys
    assert not table.c.tenant_id.nullable
    (reference,) = [k for k in Song.__table__.foreign_key_constraints if len(k.columns) == 2]  # type: ignore[attr-defined]
    assert [column.name for column in reference.columns] == ["tenant_id", "album_id"]
    assert [element.target_fullname for element in reference.elements] == [
        "sdktest_album.tenant_id",
        "sdktest_album.id",
    ]
    assert reference.ondelete == "CASCADE"


def test_versions_are_counted_and_rows_have_ids_at_once() -> None:
    album = Album(title="a")
    assert album.version == 1
    assert album.id.version == 7
    assert album.__mapper__.version_id_col is Album.__table__.c.version  # type: ignore[attr-defined]
    assert Genre.__mapper__.version_id_col is Genre.__table__.c.version  # type: ignore[attr-defined]


def test_a_platform_table_has_no_tenant() -> None:
    assert "tenant_id" not in Genre.__table__.c  # type: ignore[attr-defined]
    assert {Album, Song} <= set(tenant_models())
    assert not {Model, TenantModel, Genre, Shared} & set(tenant_models())


def test_names_of_constraints_do_not_depend_on_the_database() -> None:
    table = Song.__table__  # type: ignore[attr-defined]
    assert {c.name for c in table.constraints if c.name} == {
        "pk_sdktest_song",
        "uq_sdktest_song_tenant_id_id",
        "fk_sdktest_song_tenant_id",
        "fk_sdktest_song_tenant_id_album_id",
    }
