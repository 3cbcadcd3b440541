"""Imports over HTTP: the file is taken piece by piece, and a durable function brings it in, visibly."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.archives.imports import Imported, TenantImport
from riveredge_kernel.archives.manifest import ArchiveError
from riveredge_kernel.archives.models import Import, ImportPart, ImportState
from riveredge_kernel.db.database import Database
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.context import current_context, use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.functions import (
    Concurrency,
    Failure,
    FunctionContext,
    FunctionSpec,
    NonRetriableError,
    RetryAfterError,
)
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Invalid
from riveredge_sdk.repository import Repository
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import publish, session, unit_of_work

MAX_UPLOAD = 200_000_000
MAX_UNPACKED = 2_000_000_000
# How long one is to be read of, and how long a file is waited for whose sender does not go on.
KEPT, ABANDONED = timedelta(days=30), timedelta(days=1)
_PIECE = 4_000_000
_REASON = "import tenant"
# Who works on an import says so this often; who has not for three times as long, has died.
_SIGN_OF_LIFE = timedelta(seconds=10)
_AT_WORK = (ImportState.WAITING, ImportState.CHECKING, ImportState.IMPORTING)
_ZIP = b"PK\x03\x04"


class ImportRef(BaseModel):
    """Which import."""

    import_id: UUID


IMPORT_REQUESTED = EventType(
    "kernel/import.requested", ImportRef, "An archive is to become an organisation", internal=True
)


class AllImports(Repository[Import]):
    """Every import."""

    model = Import
    fields = (
        FilterField("state", "text", Import.state),
        FilterField("slug", "text", Import.slug),
        FilterField("organisation_id", "uuid", Import.organisation_id),
        FilterField("finished_at", "datetime", Import.finished_at),
    )


class OutdatedImportError(NonRetriableError):
    """The import was deleted, has ended, or somebody else works on it."""


class Imports:
    """Takes files, brings them in one at a time, and forgets them."""

    def __init__(self, database: Database, runtime: Runtime, tenants: TenantDirectory, bringing: TenantImport) -> None:
        self._database = database
        self._runtime = runtime
        self._tenants = tenants
        self._bringing = bringing
        self._here: set[UUID] = set()

    async def receive(self, pieces: AsyncIterator[bytes], *, slug: str | None, name: str | None) -> Import:
        """Keep a file that is being sent, and ask for its import when it is whole.

        Raises:
            Invalid: it does not begin like a ZIP file.
        """
        context = current_context()
        made = Import(slug=slug, name=name, address=context.address)
        digest, number = hashlib.sha256(), 0
        with use_context(replace(context, tenant_id=None, system_reason=_REASON)):
            try:
                async for piece in _regular(pieces):
                    if number == 0 and not piece.startswith(_ZIP):
                        break
                    async with unit_of_work(independent=True) as db:
                        if number == 0:
                            db.add(made)
                            await db.flush()
                        db.add(ImportPart(import_id=made.id, number=number, content=piece))
                    digest.update(piece)
                    made.size += len(piece)
                    number += 1
            except Exception:
                # Too large, or the sender has gone. What a process leaves that dies meanwhile, `expire` finds.
                await self.forget(made.id)
                raise
            if number == 0:
                raise Invalid("The body is no ZIP file. Send the content of an export as it is.")
            async with unit_of_work(independent=True) as db:
                made = await db.merge(made)
                made.sha256, made.state = digest.hexdigest(), ImportState.WAITING
                publish(IMPORT_REQUESTED, ImportRef(import_id=made.id))
            return made

    async def bring(self, import_id: UUID) -> dict[str, Any]:
        """Bring it in; what has come in. Repeated after a crash, it begins anew, or finds that all was done.

        Raises:
            NonRetriableError: the archive is not taken, or the import is nobody's business any more.
            RetryAfterError: another attempt is at work.
        """
        row = await self._begin(import_id)
        if row.state == ImportState.COMPLETED:
            return _told(row)
        self._here.add(import_id)
        try:
            with tempfile.TemporaryDirectory(prefix="riveredge-import-") as scratch:
                path = Path(scratch) / "archive.zip"
                await self._fetch(import_id, path)
                watcher = _Watching(self._database, self._runtime, row)
                done = await self._bringing.run(
                    path, slug=row.slug, name=row.name, max_bytes=MAX_UNPACKED, watcher=watcher
                )
        except ArchiveError as error:
            await self.fail(import_id, str(error))
            raise NonRetriableError(str(error)) from None
        finally:
            self._here.discard(import_id)
        if done.again:
            async with self._database.system(_REASON, self._runtime) as db:
                await db.exec(update(Import).where(*_mine(row)).values(**_end(done)))
        self._tenants.invalidate(done.tenant_id)
        async with self._database.system(_REASON, self._runtime, read_only=True) as db:
            return _told((await db.exec(select(Import).where(col(Import.id) == import_id))).one())

    async def fail(self, import_id: UUID, error: str) -> None:
        """Note that it has failed for good, if it has not ended otherwise."""
        failed = {"state": ImportState.FAILED, "error": error[:2000], "finished_at": utcnow()}
        async with self._database.system(_REASON, self._runtime) as db:
            at_work = col(Import.id) == import_id, col(Import.state).in_(_AT_WORK)
            await db.exec(update(Import).where(*at_work).values(**failed))

    async def forget_file(self, import_id: UUID) -> None:
        """Delete the file, which nobody needs any more."""
        async with self._database.system(_REASON, self._runtime) as db:
            await db.exec(delete(ImportPart).where(col(ImportPart.import_id) == import_id))

    async def cancel(self, import_id: UUID, version: int) -> None:
        """Delete an import. One that is under way ends, and nothing of it has come in.

        Raises:
            NotFound: there is none.
            PreconditionFailed: it has another version.
        """
        with use_context(replace(current_context(), tenant_id=None, system_reason=_REASON)):
            async with unit_of_work(independent=True):
                await AllImports().get(import_id, version=version, lock=True)
                await _delete(session(), [import_id])

    async def forget(self, *ids: UUID) -> None:
        """Delete imports and their files."""
        async with self._database.system(_REASON, self._runtime) as db:
            await _delete(db, ids)

    async def expire(self) -> int:
        """Delete imports that ended long ago, and files whose sender gave up; how many."""
        now = utcnow()
        over = (col(Import.finished_at) < now - KEPT) | (
            (col(Import.state) == ImportState.RECEIVING) & (col(Import.updated_at) < now - ABANDONED)
        )
        async with self._database.system(_REASON, self._runtime, read_only=True) as db:
            ids = (await db.exec(select(Import.id).where(over))).all()
        await self.forget(*ids)
        return len(ids)

    def functions(self) -> list[FunctionSpec[Any]]:
        """The durable function."""

        async def bring(ctx: FunctionContext, event: ImportRef) -> dict[str, Any]:
            done: dict[str, Any] = await ctx.step.run("import", lambda: self.bring(event.import_id))
            await ctx.step.run("forget-file", lambda: self.forget_file(event.import_id))
            return done

        async def failed(_ctx: FunctionContext, failure: Failure) -> None:
            import_id = UUID(failure.data["import_id"])
            await self.fail(import_id, f"{failure.error}: {failure.message}")
            await self.forget_file(import_id)

        return [
            FunctionSpec(
                id="kernel.tenant_import",
                title="Import an organisation",
                trigger=IMPORT_REQUESTED,
                handler=bring,
                on_failure=failed,
                system=True,
                retries=20,
                concurrency=Concurrency(limit=1),
            )
        ]

    async def _begin(self, import_id: UUID) -> Import:
        async with self._database.system(_REASON, self._runtime) as db:
            query = select(Import).where(col(Import.id) == import_id).with_for_update()
            row = (await db.exec(query)).one_or_none()
            if row is None or row.state == ImportState.FAILED:
                raise OutdatedImportError("The import has been deleted, or has failed.")
            if row.state == ImportState.COMPLETED:
                return row
            now = utcnow()
            # Inngest asks again where an answer takes it too long: that one goes on, this one waits for it.
            if import_id in self._here or (row.seen_at is not None and row.seen_at > now - 3 * _SIGN_OF_LIFE):
                raise RetryAfterError("Another attempt is at work.", 3 * _SIGN_OF_LIFE)
            row.state, row.seen_at, row.rows = ImportState.CHECKING, now, 0
            row.attempt += 1
            return row

    async def _fetch(self, import_id: UUID, path: Path) -> None:
        async with self._database.system(_REASON, self._runtime, read_only=True) as db:
            count = select(func.count(col(ImportPart.id))).where(col(ImportPart.import_id) == import_id)
            parts = (await db.exec(count)).one()
        with path.open("wb") as file:
            for number in range(parts):
                query = select(ImportPart.content).where(
                    col(ImportPart.import_id) == import_id, col(ImportPart.number) == number
                )
                async with self._database.system(_REASON, self._runtime, read_only=True) as db:
                    content = (await db.exec(query)).one()
                await asyncio.to_thread(file.write, content)


class _Watching:
    """Tells the row of the import how far it has come; the end in the import's own transaction."""

    def __init__(self, database: Database, runtime: Runtime, row: Import) -> None:
        self._database = database
        self._runtime = runtime
        self._row = row
        self._told = utcnow() - _SIGN_OF_LIFE

    async def counted(self, rows: int, total: int) -> None:
        # On SQLite the import's transaction keeps all other writers out, this one too.
        if self._database.kind == "sqlite" or utcnow() - self._told < _SIGN_OF_LIFE / 10:
            return
        self._told = utcnow()
        values = {"state": ImportState.IMPORTING, "rows": rows, "rows_total": total, "seen_at": self._told}
        async with self._database.system(_REASON, self._runtime) as db:
            _expect((await db.exec(update(Import).where(*_mine(self._row)).values(**values))).rowcount)

    async def finish(self, done: Imported) -> None:
        _expect((await session().exec(update(Import).where(*_mine(self._row)).values(**_end(done)))).rowcount)


async def _delete(db: AsyncSession, ids: Sequence[UUID]) -> None:
    await db.exec(delete(ImportPart).where(col(ImportPart.import_id).in_(ids)))
    await db.exec(delete(Import).where(col(Import.id).in_(ids)))


def _mine(row: Import) -> tuple[Any, ...]:
    return col(Import.id) == row.id, col(Import.attempt) == row.attempt, col(Import.state).in_(_AT_WORK)


def _expect(changed: int) -> None:
    if not changed:
        raise OutdatedImportError("The import has been deleted, or another attempt has begun.")


def _end(done: Imported) -> dict[str, Any]:
    return {
        "state": ImportState.COMPLETED,
        "rows": done.rows,
        "rows_total": done.rows,
        "people": done.people,
        "again": done.again,
        "organisation_id": done.tenant_id,
        "slug": done.slug,
        "finished_at": utcnow(),
    }


def _told(row: Import) -> dict[str, Any]:
    return {"organisation_id": str(row.organisation_id), "rows": row.rows, "people": row.people, "again": row.again}


async def _regular(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    ready = bytearray()
    async for piece in pieces:
        ready += piece
        while len(ready) >= _PIECE:
            yield bytes(ready[:_PIECE])
            del ready[:_PIECE]
    if ready:
        yield bytes(ready)
