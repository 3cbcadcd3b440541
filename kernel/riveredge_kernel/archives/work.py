"""Making archives: a durable function that writes their pieces as rows, visibly; after a crash it begins anew."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import delete, update
from sqlmodel import col, func, select

from riveredge_kernel.archives.manifest import Chunk
from riveredge_kernel.archives.models import Archive, ArchiveKind, ArchivePart, ArchiveState
from riveredge_kernel.archives.zipping import ZipStream
from riveredge_kernel.db.database import Database
from riveredge_sdk.auth import current_principal
from riveredge_sdk.context import Context, current_context, use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.functions import Failure, FunctionContext, FunctionSpec, NonRetriableError, Subject
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict, NotFound
from riveredge_sdk.quotas import QuotaExceeded, claim_quota
from riveredge_sdk.repository import Repository
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import publish, session, unit_of_work

KEPT = timedelta(days=7)
# What organisations keep in exports is limited; what people ask for about themselves is theirs by law.
EXPORTS = "kernel.exports"
_PIECE = 4_000_000


class ArchiveRef(BaseModel):
    """Which archive."""

    archive_id: UUID


ARCHIVE_REQUESTED = EventType("kernel/archive.requested", ArchiveRef, "An archive is to be made", internal=True)
# What makes the pieces of one kind of archive.
Maker = Callable[[Archive], AsyncGenerator[Chunk, None]]


class Archives(Repository[Archive]):
    """Archives of the current tenant."""

    model = Archive
    fields = (
        FilterField("kind", "text", Archive.kind),
        FilterField("state", "text", Archive.state),
        FilterField("user_id", "uuid", Archive.user_id),
        FilterField("completed_at", "datetime", Archive.completed_at),
    )


class OutdatedAttemptError(NonRetriableError):
    """Another attempt has begun since: this one has no business any more."""


class PartsFailedError(Exception):
    """Some plugins have not done their part; the archive's `failures` name them. It is tried again."""


async def ask(kind: ArchiveKind, *, user_id: UUID | None = None) -> Archive:
    """Request an archive, in the running unit of work.

    Raises:
        Conflict: one of this kind is under way.
        QuotaExceeded: the organisation keeps as many bytes in exports as it may.
    """
    if kind == ArchiveKind.TENANT_EXPORT:
        await claim_quota(EXPORTS)
    archives = Archives()
    same = col(Archive.kind) == kind, col(Archive.user_id).is_not_distinct_from(user_id)
    if await archives.find(*same, col(Archive.state) == ArchiveState.RUNNING) is not None:
        raise Conflict("One is being made already. Wait for it, or look what it waits for among the runs.")
    made = await archives.add(Archive(kind=kind, user_id=user_id, requested_by_id=current_principal().id))
    publish(ARCHIVE_REQUESTED, ArchiveRef(archive_id=made.id))
    return made


class ArchiveWork:
    """Makes archives, hands them out, and forgets them."""

    def __init__(self, database: Database, runtime: Runtime, makers: dict[str, Maker]) -> None:
        self._database = database
        self._runtime = runtime
        self._makers = makers

    async def make(self, archive_id: UUID) -> dict[str, int]:
        """Make the archive, from the start: an earlier attempt that is still at it stops. Under the tenant."""
        archive = await _begin(archive_id)
        maker = self._makers[archive.kind]
        writer = _Writer(archive)
        try:
            async with aclosing(maker(archive)) as chunks:
                async for chunk in chunks:
                    await writer.add(chunk)
        except PartsFailedError:
            await writer.note_failures()
            raise
        return await writer.done()

    async def fail(self, archive_id: UUID, error: str) -> None:
        """Note that it has failed for good."""
        async with unit_of_work():
            failed = update(Archive).where(col(Archive.id) == archive_id, col(Archive.state) == ArchiveState.RUNNING)
            await session().exec(failed.values(state=ArchiveState.FAILED, error=error[:2000]))
            await session().exec(delete(ArchivePart).where(col(ArchivePart.archive_id) == archive_id))

    async def expire(self) -> int:
        """Delete the contents of archives whose time is over; how many."""
        async with self._database.system("expire archives", self._runtime) as db:
            over = (col(Archive.state) == ArchiveState.COMPLETED, col(Archive.expires_at) < utcnow())
            ids = (await db.exec(select(Archive.id).where(*over))).all()
            await db.exec(delete(ArchivePart).where(col(ArchivePart.archive_id).in_(ids)))
            await db.exec(update(Archive).where(col(Archive.id).in_(ids)).values(state=ArchiveState.EXPIRED))
            return len(ids)

    def functions(self) -> list[FunctionSpec[Any]]:
        """The durable function."""

        async def make(ctx: FunctionContext, event: ArchiveRef) -> dict[str, int]:
            made: dict[str, int] = await ctx.step.run("make", lambda: self.make(event.archive_id))
            return made

        async def failed(_ctx: FunctionContext, failure: Failure) -> None:
            await self.fail(UUID(failure.data["archive_id"]), f"{failure.error}: {failure.message}")

        return [
            FunctionSpec(
                id="kernel.archive",
                title="Make an archive",
                trigger=ARCHIVE_REQUESTED,
                handler=make,
                on_failure=failed,
                subject=lambda event: Subject("kernel.archive", event.archive_id),
                retries=4,
            )
        ]


async def _begin(archive_id: UUID) -> Archive:
    async with unit_of_work():
        archive = await Archives().get(archive_id, lock=True)
        if archive.state != ArchiveState.RUNNING:
            raise OutdatedAttemptError("The archive has been made, or was given up.")
        archive.attempt += 1
        archive.progress, archive.failures = {"rows": 0, "bytes": 0}, {}
        await session().exec(delete(ArchivePart).where(col(ArchivePart.archive_id) == archive_id))
        await session().flush()
        return archive


class _Writer:
    """Gathers chunks into rows of some megabytes, each in a transaction of its own that shows how far it is."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._number = 0
        self._rows = 0
        self._bytes = 0
        self._ready: list[Chunk] = []
        self._size = 0

    async def add(self, chunk: Chunk) -> None:
        self._ready.append(chunk)
        self._size += len(chunk.content)
        self._rows += chunk.rows
        if self._size >= _PIECE:
            await self._write()

    async def done(self) -> dict[str, int]:
        now = utcnow()
        await self._write(state=ArchiveState.COMPLETED, completed_at=now, expires_at=now + KEPT)
        return {"rows": self._rows, "bytes": self._bytes}

    async def note_failures(self) -> None:
        """Show why it is not done yet."""
        async with unit_of_work(independent=True) as db:
            mine = col(Archive.id) == self._archive.id, col(Archive.attempt) == self._archive.attempt
            await db.exec(update(Archive).where(*mine).values(failures=self._archive.failures))

    async def _write(self, **values: Any) -> None:
        self._bytes += self._size
        mine = col(Archive.id) == self._archive.id, col(Archive.attempt) == self._archive.attempt
        # Requests go on meanwhile.
        packed = await asyncio.to_thread(lambda: [zlib.compress(chunk.content, 6) for chunk in self._ready])
        async with unit_of_work(independent=True) as db:
            if self._archive.kind == ArchiveKind.TENANT_EXPORT:
                await _claim(sum(map(len, packed)))
            progress = {"rows": self._rows, "bytes": self._bytes}
            changed = {"progress": progress, "failures": self._archive.failures, **values}
            running = col(Archive.state) == ArchiveState.RUNNING
            if not (await db.exec(update(Archive).where(*mine, running).values(**changed))).rowcount:
                raise OutdatedAttemptError("Another attempt has begun.")
            for chunk, content in zip(self._ready, packed, strict=True):
                db.add(ArchivePart(archive_id=self._archive.id, number=self._number, name=chunk.name, content=content))
                self._number += 1
            await db.flush()
            db.expunge_all()
        self._ready, self._size = [], 0


async def _claim(size: int) -> None:
    try:
        await claim_quota(EXPORTS, size)
    except QuotaExceeded as exceeded:
        raise NonRetriableError(exceeded.detail) from None


async def content(archive: Archive) -> AsyncIterator[bytes]:
    """The archive as a ZIP file, read piece by piece while it is sent.

    Raises:
        Conflict: it is not there yet.
        NotFound: it has expired, or there is none.
    """
    if archive.state == ArchiveState.RUNNING:
        raise Conflict("It is still being made.")
    if archive.state != ArchiveState.COMPLETED:
        raise NotFound(f"There is nothing to download: the archive is {archive.state}.")
    count = select(func.count(col(ArchivePart.id))).where(col(ArchivePart.archive_id) == archive.id)
    return _zipped(archive.id, (await session().exec(count)).one(), current_context())


async def _zipped(archive_id: UUID, parts: int, context: Context) -> AsyncIterator[bytes]:
    stream = ZipStream()
    for number in range(parts):
        part = await _in_context(context, lambda number=number: _part(archive_id, number))  # type: ignore[misc]
        if ready := await asyncio.to_thread(stream.add, part):
            yield ready
    yield stream.close()


async def _part(archive_id: UUID, number: int) -> Chunk:
    async with unit_of_work(independent=True, read_only=True) as db:
        query = select(ArchivePart.name, ArchivePart.content).where(
            col(ArchivePart.archive_id) == archive_id, col(ArchivePart.number) == number
        )
        name, packed = (await db.exec(query)).one()
    return Chunk(name, await asyncio.to_thread(zlib.decompress, packed))


async def _in_context(context: Context, work: Callable[[], Awaitable[Chunk]]) -> Chunk:
    """The answer is still being sent when the request's own context and transaction are over."""
    with use_context(context):
        return await work()
