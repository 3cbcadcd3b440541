"""Erasing an organisation: every row of every table, every file, table by table in parts; then a tombstone."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    inspect,
    true,
    update,
)
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.audit.log import entry, maintenance
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.oidc.models import Identity
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.deletion import ERASURE_DUE, TenantErasure
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.functions import FunctionContext, FunctionSpec
from riveredge_sdk.models import utcnow
from riveredge_sdk.runtime import Runtime

BATCH = 1000
# A step answers within this time; the next one goes on.
_SECONDS = 20.0
_MEMBERS, _AUDIT = "kernel_membership", "kernel_audit"


class Eraser:
    """Works in the kernel's hatch, on the tables that the database has: those of plugins that are gone, too."""

    def __init__(self, settings: Settings, database: Database, runtime: Runtime) -> None:
        self._settings = settings
        self._database = database
        self._runtime = runtime

    async def begin(self, order: TenantErasure) -> list[str]:
        """The tables to empty, each before those it refers to; none if the deletion was taken back.

        From here on there is no way back.
        """
        async with self._database.system("erase tenant", self._runtime) as db:
            query = select(Tenant).where(col(Tenant.id) == order.organisation).with_for_update()
            tenant = (await db.exec(query)).one_or_none()
            if tenant is None or tenant.delete_at != order.delete_at or tenant.delete_at > utcnow():
                return []
            if tenant.status not in {TenantStatus.DELETING, TenantStatus.ERASING}:
                return []
            if tenant.status == TenantStatus.DELETING:
                tenant.status, tenant.erased = TenantStatus.ERASING, {}
            await db.flush()
            return [table.name for table in await _tables(db)]

    async def empty(self, tenant_id: UUID, names: Sequence[str]) -> list[str]:
        """Delete the rows of these tables, for some seconds: those tables that may still have some."""
        deadline = time.monotonic() + _SECONDS
        async with self._database.system("erase tenant", self._runtime, read_only=True) as db:
            tables = {table.name: table for table in await _tables(db)}
        for index, name in enumerate(names):
            gone = BATCH if name in tables else 0
            while gone:
                if time.monotonic() > deadline:
                    return list(names[index:])
                async with self._database.system("erase tenant", self._runtime) as db:
                    gone = await _batch(db, tenant_id, tables[name])
                    await _count(db, tenant_id, name, gone)
        return []

    async def files(self, tenant_id: UUID) -> None:
        """Delete its files."""
        folder: Path = self._settings.var_dir / "files" / str(tenant_id)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def left(self, tenant_id: UUID) -> list[str]:
        """Tables in which there is something of it, written by who was still at work when it was suspended."""
        found = []
        async with self._database.system("erase tenant", self._runtime, read_only=True) as db:
            connection = await db.connection()
            for table in await _tables(db):
                count = select(func.count()).select_from(table).where(_of(table, tenant_id))
                if (await connection.execute(count)).scalar_one():
                    found.append(table.name)
        return found

    async def bury(self, tenant_id: UUID) -> dict[str, int]:
        """Make the row a tombstone, and leave the proof of what was erased in the platform's own audit log."""
        async with self._database.system("erase tenant", self._runtime) as db:
            tenant = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update())).one()
            rows = dict(tenant.erased)
            if tenant.status == TenantStatus.DELETED:
                return rows
            await db.exec(
                update(UserSession).where(col(UserSession.acting_tenant_id) == tenant_id).values(acting_tenant_id=None)
            )
            tenant.status, tenant.slug, tenant.name = TenantStatus.DELETED, f"deleted-{tenant_id.hex}", ""
            tenant.quotas, tenant.imported_from = {}, None
            told = AuditRecord(
                action="kernel.tenant.erase",
                object_kind="kernel.tenant",
                object_id=str(tenant_id),
                details={"rows": rows},
            )
            db.add(entry(told))
            return rows

    def function(self) -> FunctionSpec[Any]:
        """The durable function. After a crash it goes on with the table where it was."""

        async def erase(ctx: FunctionContext, order: TenantErasure) -> dict[str, int]:
            tables: list[str] = await ctx.step.run("begin", lambda: self.begin(order))
            looks, rows = 0, dict[str, int]()
            while tables:
                while tables:
                    # Steps of one name are numbered by the engine.
                    tables = await ctx.step.run("empty", partial(self.empty, order.organisation, tables))
                looks += 1
                tables = await ctx.step.run(f"look-{looks}", lambda: self.left(order.organisation))
            if looks:
                await ctx.step.run("files", lambda: self.files(order.organisation))
                rows = await ctx.step.run("bury", lambda: self.bury(order.organisation))
            return rows

        return FunctionSpec(
            id="kernel.tenant_erasure",
            title="Erase an organisation",
            trigger=ERASURE_DUE,
            handler=erase,
            system=True,
            retries=20,
        )


async def _count(db: AsyncSession, tenant_id: UUID, table: str, gone: int) -> None:
    """Add to what is counted, in the transaction in which the rows go: a crash loses both, or none."""
    if gone:
        tenant = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update())).one()
        tenant.erased = {**tenant.erased, table: tenant.erased.get(table, 0) + gone}


def _of(table: Table, tenant_id: UUID) -> ColumnElement[bool]:
    """The condition for its rows. What SQLite says of a column's type is not what it was made with."""
    return table.c.tenant_id == bindparam(None, tenant_id, type_=Uuid(), unique=True)


def is_leaf(table: Table) -> ColumnElement[bool]:
    """The condition for rows that no other row of the same table refers to: trees go from their leaves.

    A batch may hold a parent without its children, and SQLite looks at each row of a statement by itself.
    """
    below = table.alias()
    own = [each.elements for each in table.foreign_key_constraints if each.referred_table is table]
    refers = [and_(*(below.c[each.parent.name] == table.c[each.column.name] for each in columns)) for columns in own]
    return and_(true(), *(~select(below.c.id).where(below.c.id != table.c.id, each).exists() for each in refers))


async def _batch(db: AsyncSession, tenant_id: UUID, table: Table) -> int:
    if table.name == _MEMBERS:
        return await _members(db, tenant_id)
    some = select(table.c.id).where(_of(table, tenant_id), is_leaf(table)).limit(BATCH)
    statement = delete(table).where(table.c.id.in_(some.scalar_subquery()))
    connection = await db.connection()
    if table.name != _AUDIT:
        return (await connection.execute(statement)).rowcount
    async with maintenance(db, "erase tenant"):
        return (await connection.execute(statement)).rowcount


async def _tables(db: AsyncSession) -> Sequence[Table]:
    """Every table with rows of tenants, as the database has them, each before those it refers to; members last."""
    connection = await db.connection()
    found: list[Table] = await connection.run_sync(_reflect)
    return sorted(found, key=lambda table: table.name == _MEMBERS)


def _reflect(connection: Connection) -> list[Table]:
    looker = inspect(connection)
    names = [
        name
        for name in looker.get_table_names()
        if any(column["name"] == "tenant_id" for column in looker.get_columns(name))
    ]
    metadata = MetaData()
    metadata.reflect(connection, only=names)
    return [table for table in reversed(metadata.sorted_tables) if table.name in names]


async def _members(db: AsyncSession, tenant_id: UUID) -> int:
    """End memberships, and delete the accounts that belong to nobody else."""
    some = select(Membership).where(col(Membership.tenant_id) == tenant_id).limit(BATCH)
    found = (await db.exec(some)).all()
    users = [row.user_id for row in found]
    await db.exec(delete(Membership).where(col(Membership.id).in_([row.id for row in found])))
    await forget_accounts(db, users)
    return len(found)


async def forget_accounts(db: AsyncSession, users: Sequence[UUID]) -> int:
    """Delete those of the accounts that no organisation has to do with any more; how many."""
    held: set[UUID | None] = set()
    for model in (Membership, Identity, ApiKey):
        held |= set((await db.exec(select(model.user_id).where(col(model.user_id).in_(users)))).all())
    alone = [user for user in users if user not in held]
    await db.exec(delete(UserSession).where(col(UserSession.user_id).in_(alone)))
    return (await db.exec(delete(User).where(col(User.id).in_(alone)))).rowcount
