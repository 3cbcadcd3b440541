"""References of rows to others of their own table that may come later: a department moved below a newer one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.archives.rows import table_of
from riveredge_sdk.models import TenantModel


class OwnReferences:
    """The references within one table. Those to rows that come later are left empty, and filled in at its end."""

    def __init__(self, model: type[TenantModel]) -> None:
        table = table_of(model)
        self._model = model
        self._names = [
            column.key
            for key in table.foreign_key_constraints
            if key.referred_table is table
            for column in key.columns
            if column.name != "tenant_id" and column.nullable
        ]
        self._there: set[UUID] = set()
        self._late: list[dict[str, Any]] = []

    def held_back(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows as they can be inserted, one after the other."""
        if not self._names:
            return [*batch]
        kept = []
        for row in batch:
            late = {name: row[name] for name in self._names if row[name] is not None and row[name] not in self._there}
            if late:
                self._late.append({"id": row["id"], "updated_at": row["updated_at"], **late})
            kept.append({**row, **dict.fromkeys(late)})
            self._there.add(row["id"])
        return kept

    async def fill_in(self, session: AsyncSession) -> None:
        """All rows are there. What refers to none stays refused: the database says so."""
        for row in self._late:
            values = {name: value for name, value in row.items() if name != "id"}
            await session.exec(update(self._model).where(col(self._model.id) == row["id"]).values(values))
