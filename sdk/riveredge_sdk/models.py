"""Tables: the shared metadata, the two base classes and the column types that behave alike on SQLite and PostgreSQL.

A plugin has one registry of its own, so that a mistake in one plugin's models cannot disable another's::

    class Model(TenantModel, registry=plugin_registry("messaging")):
        "Base of messaging's tables."

    class Template(Model, table=True):
        __tablename__ = "messaging_template"
        name: str
"""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    MetaData,
    UniqueConstraint,
    Uuid,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapper, registry
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

from riveredge_sdk.context import find_context

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_uuid7_lock = threading.Lock()
_uuid7_last = 0


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562 §5.7), strictly increasing within this process.

    The 12 bits after the milliseconds hold the fraction of the millisecond (§6.2 method 3), so ids made in one
    process sort in the order they were made.
    """
    global _uuid7_last  # noqa: PLW0603
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    stamp = milliseconds << 12 | rest * 4096 // 1_000_000
    with _uuid7_lock:
        stamp = _uuid7_last = max(stamp, _uuid7_last + 1)
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random)


def utcnow() -> datetime:
    """Now, aware, in UTC. Inside a request or a function it is the platform's time, which tests can move forward."""
    context = find_context()
    return datetime.now(UTC) if context is None else context.runtime.now()


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Takes aware datetimes only, gives UTC ones back, also on SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored; use UTC")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# JSON that PostgreSQL can index.
JsonType: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def plugin_registry(plugin: str) -> Any:
    """A registry for one plugin's models over the shared METADATA.

    SQLModel's class keyword takes it untyped, hence `Any`.
    """
    made = registry(metadata=METADATA)
    made.plugin_id = plugin  # type: ignore[attr-defined]
    return made


class _Row(SQLModel):
    """What every table has."""

    metadata = METADATA
    __mapper_args__: ClassVar[dict[str, Any]] = {"confirm_deleted_rows": True}

    id: UUID = Field(default_factory=uuid7, primary_key=True, sa_type=Uuid)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, nullable=False)
    updated_at: datetime = Field(
        default_factory=utcnow, sa_type=UtcDateTime, nullable=False, sa_column_kwargs={"onupdate": utcnow}
    )
    version: int = Field(default=1, nullable=False)


RowT = TypeVar("RowT", bound=_Row)


class PlatformModel(_Row):
    """A row that belongs to no tenant (users, tenants, the outbox's bookkeeping). Plugins rarely need it."""


class TenantModel(_Row):
    """A row of one tenant. The kernel stamps `tenant_id`, filters every read by it and refuses foreign rows.

    `version` counts changes: the kernel's mapper checks it on update (optimistic locking) and routes show it as ETag.

    Attributes:
        portable: whether its rows go along when an organisation is exported. False for what only counts here and now:
            claims, caches, tickets, what is under way in the engine. No portable row may refer to one that is not.
    """

    portable: ClassVar[bool] = True

    tenant_id: UUID = Field(default=None, nullable=False, foreign_key="kernel_tenant.id", sa_type=Uuid)


# `Field(…, sa_column_kwargs=SECRET)`: a column that holds what is encrypted with this installation's keys. It is left
# out when an organisation is exported.
SECRET: Mapping[str, Any] = {"info": {"secret": True}}


def tenant_fk(
    column: str,
    target: str,
    *,
    ondelete: Literal["CASCADE", "RESTRICT"] | None = None,
    name: str | None = None,
) -> ForeignKeyConstraint:
    """A foreign key that cannot point at another tenant's row: (tenant_id, column) -> target(tenant_id, id).

    PostgreSQL checks foreign keys past row-level security, so a key on `id` alone could be aimed at a foreign row.
    Put it into `__table_args__`. There is no SET NULL: it would empty `tenant_id` as well.
    """
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], ondelete=ondelete, name=name
    )


@event.listens_for(Mapper, "instrument_class")
def _complete_table(mapper: Mapper[Any], cls: type) -> None:
    """Count versions on update, and give tenant tables the (tenant_id, id) key that `tenant_fk` points at."""
    if not issubclass(cls, _Row):
        return
    table: Any = mapper.local_table
    mapper.version_id_col = table.c.version
    if issubclass(cls, TenantModel):
        table.append_constraint(UniqueConstraint("tenant_id", "id"))


def tenant_models() -> Sequence[type[TenantModel]]:
    """Every mapped subclass of `TenantModel` known to this process."""
    return _mapped(TenantModel)


def mapped_models() -> Sequence[type[TenantModel | PlatformModel]]:
    """Every mapped class known to this process."""
    return [*_mapped(TenantModel), *_mapped(PlatformModel)]


def _mapped(base: type[RowT]) -> Sequence[type[RowT]]:
    found: list[type[RowT]] = []
    todo: list[type[RowT]] = [base]
    while todo:
        for cls in todo.pop().__subclasses__():
            todo.append(cls)
            if "__mapper__" in cls.__dict__:
                found.append(cls)
    return found
