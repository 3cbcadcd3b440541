"""Repositories: find, list, add, change and delete the rows of one model, in the running unit of work.

class Notes(Repository[Note]):
    model = Note
    fields = (FilterField("title", "text", Note.title), FilterField("created_at", "datetime", Note.created_at))

page = await Notes().page(query, into=NoteOut)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, bindparam, func, or_
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_sdk import cursors
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.filters import FilterSet
from riveredge_sdk.http import ListQuery, Page
from riveredge_sdk.models import PlatformModel, TenantModel
from riveredge_sdk.problems import NotFound, PreconditionFailed, invalid_field
from riveredge_sdk.uow import session

ModelT = TypeVar("ModelT", bound=TenantModel | PlatformModel)
OutT = TypeVar("OutT", bound=BaseModel)

MAX_SORT = 4
# Cursors hold the sort values, and have to fit into an address.
MAX_SORT_TEXT = 500


@dataclass(frozen=True, slots=True)
class _Key:
    """One sort key. Its column is never null, so that comparing with it is."""

    field: FilterField
    descending: bool

    def order(self) -> Any:
        return self.field.expression.desc() if self.descending else self.field.expression.asc()

    def after(self, value: Any) -> ColumnElement[bool]:
        column = self.field.expression
        # A parameter of its own: SQLAlchemy refuses to compare with a bare True or False.
        bound = bindparam(None, value, type_=column.type, unique=True)
        return cast("ColumnElement[bool]", column < bound if self.descending else column > bound)


class Repository(Generic[ModelT]):
    """Access to one model's rows. Subclass it with `model` and the `fields` that lists may filter and sort by.

    Attributes:
        fields: filter fields; those over columns that are never null may also be sorted by, texts if their column has
            at most `MAX_SORT_TEXT` characters.
        default_sort: as in the query parameter `sort`, for example `-created_at`.
    """

    model: type[ModelT]
    fields: ClassVar[Sequence[FilterField]] = ()
    default_sort: ClassVar[str] = "-created_at"
    # What the class attributes say, worked out once.
    _filters: ClassVar[FilterSet]
    _sortable: ClassVar[Mapping[str, FilterField]]

    def __init_subclass__(cls) -> None:
        model: Any = cls.model
        standard = (
            FilterField("id", "uuid", model.id),
            FilterField("created_at", "datetime", model.created_at),
            FilterField("updated_at", "datetime", model.updated_at),
        )
        names = {f.name for f in cls.fields}
        cls._filters = FilterSet([*cls.fields, *(f for f in standard if f.name not in names)])
        cls._sortable = {f.name: f for f in cls._filters.fields if _is_sortable(f)}

    @property
    def session(self) -> AsyncSession:
        """The session of the running unit of work."""
        return session()

    async def get(self, row_id: UUID, *, version: int | None = None, lock: bool = False) -> ModelT:
        """The row.

        Args:
            version: the version the client has seen (`ExpectedVersion`).
            lock: as it is now, also if it was read before, and kept from being changed by others until the unit of work
                ends. Rows that refer to it may be added (PostgreSQL: SELECT … FOR NO KEY UPDATE).

        Raises:
            NotFound: there is none in this tenant.
            PreconditionFailed: it has another version.
        """
        model: Any = self.model
        query = select(self.model).where(model.id == row_id)
        if lock:
            query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        row = (await self.session.exec(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no {self.model.__name__.lower()} with the id {row_id} here.")
        if version is not None and version != row.version:
            raise PreconditionFailed(
                f"You have seen version {version}; it is at version {row.version} now. Read it again and retry.",
                extensions={"version": row.version},
            )
        return row

    async def find(self, *where: Any) -> ModelT | None:
        """The first row that meets the conditions, or None."""
        return (await self.session.exec(select(self.model).where(*where).limit(1))).first()

    async def all(self, *where: Any) -> Sequence[ModelT]:
        """All rows that meet the conditions: for small sets; lists for clients are pages."""
        return (await self.session.exec(select(self.model).where(*where))).all()

    async def count(self, *where: Any) -> int:
        """How many rows meet the conditions."""
        model: Any = self.model
        return (await self.session.exec(select(func.count(model.id)).where(*where))).one()

    async def add(self, row: ModelT) -> ModelT:
        """Insert the row now, so that the database's objections are raised here."""
        self.session.add(row)
        await self.session.flush()
        return row

    async def change(self, row: ModelT, values: BaseModel | Mapping[str, Any]) -> ModelT:
        """Set what is given: of a body, the fields that the client sent. Counts up the row's version if it changes."""
        changes = values.model_dump(exclude_unset=True) if isinstance(values, BaseModel) else values
        for name, value in changes.items():
            setattr(row, name, value)
        await self.session.flush()
        return row

    async def delete(self, row: ModelT) -> None:
        """Delete the row now."""
        await self.session.delete(row)
        await self.session.flush()

    def condition(self, text: str | None, *, where: str = "filter") -> ColumnElement[bool]:
        """The condition that a filter in its JSON form stands for, over this repository's fields.

        Args:
            where: the name of the field that holds the filter, for the error.

        Raises:
            Invalid: the filter is not right; the error names the part.
        """
        return self._filters.parse(text, where=where).sql()

    async def page(self, query: ListQuery, *where: Any, into: type[OutT]) -> Page[OutT]:
        """One page of the rows that meet the query's filter and `where`, as `into` objects.

        Raises:
            Invalid: filter, sort or cursor are not right; the error names the part.
        """
        wanted = self._filters.parse(query.filter, where="query.filter")
        keys = self._keys(query.sort or self.default_sort)
        scope = f"{self.model.__tablename__}\n{query.sort or self.default_sort}\n{query.filter}"
        statement = select(self.model).where(wanted.sql(), *where).order_by(*(key.order() for key in keys))
        if query.cursor:
            values = cursors.decode(query.cursor, scope=scope)
            statement = statement.where(
                _after(keys, [k.field.read("eq", v) for k, v in zip(keys, values, strict=True)])
            )
        rows = (await self.session.exec(statement.limit(query.limit + 1))).all()
        items = rows[: query.limit]
        last = items[-1] if len(rows) > query.limit else None
        following = (
            cursors.encode([_plain(getattr(last, k.field.expression.key)) for k in keys], scope=scope) if last else None
        )
        return Page[into](items=[into.model_validate(row, from_attributes=True) for row in items], next=following)  # type: ignore[valid-type]

    def _keys(self, sort: str) -> list[_Key]:
        names = [part.strip() for part in sort.split(",") if part.strip()]
        if len(names) > MAX_SORT:
            raise invalid_field("query.sort", f"At most {MAX_SORT} fields.", "sort")
        keys: list[_Key] = []
        for name in names:
            found = self._sortable.get(name.removeprefix("-"))
            if found is None:
                known = ", ".join(self._sortable)
                raise invalid_field("query.sort", f"Cannot sort by {name.removeprefix('-')!r}; by: {known}.", "sort")
            keys.append(_Key(found, name.startswith("-")))
        if not any(key.field.name == "id" for key in keys):
            # Ids break ties, so that every row has exactly one place.
            keys.append(_Key(self._sortable["id"], keys[-1].descending if keys else False))
        return keys


def _after(keys: Sequence[_Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows behind the given sort values: equal in the first keys and behind in the next one."""
    alternatives = []
    for index, key in enumerate(keys):
        equal = [k.field.expression == v for k, v in zip(keys[:index], values[:index], strict=True)]
        alternatives.append(and_(*equal, key.after(values[index])))
    return or_(*alternatives)


def _is_sortable(found: FilterField) -> bool:
    column = getattr(getattr(found.expression, "property", None), "columns", [None])[0]
    if column is None or column.nullable:
        return False
    return found.type != "text" or 0 < (column.type.length or 0) <= MAX_SORT_TEXT


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


__all__ = ["FilterField", "Repository"]
