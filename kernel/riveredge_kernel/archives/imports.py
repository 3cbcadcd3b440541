"""Bringing an archive of an organisation in: all of it as a new organisation, or nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.archives.collect import files_of, revisions_of
from riveredge_kernel.archives.manifest import PEOPLE, ArchiveError, Manifest, Part
from riveredge_kernel.archives.references import OwnReferences
from riveredge_kernel.archives.rows import decode, portable_models, table_of
from riveredge_kernel.archives.zipping import ArchiveFile
from riveredge_kernel.audit.log import entry
from riveredge_kernel.auth.models import User
from riveredge_kernel.db.database import Database
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.tenancy.provisioning import SLUG, checked_email
from riveredge_kernel.timers.models import TimerState
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context, find_context, use_context
from riveredge_sdk.models import TenantModel, uuid7
from riveredge_sdk.problems import Invalid
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import unit_of_work

MAX_BYTES = 20_000_000_000
_BATCH = 500
_NAMED = 5
_LOOSE = "{}: a row refers to something that is not in the archive, or is there twice. Nothing was imported."


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What has come in. `again`: it had come in before, and nothing was done."""

    tenant_id: UUID
    slug: str
    rows: int
    people: int
    again: bool = False


class Watcher(Protocol):
    """Who wants to know how far an import has come; whatever it raises ends the import."""

    async def counted(self, rows: int, total: int) -> None:
        """So many rows are in, of so many."""
        ...

    async def finish(self, done: Imported) -> None:
        """All is in; called within the import's transaction, right before its commit."""
        ...


class _Unwatched:
    async def counted(self, rows: int, total: int) -> None: ...

    async def finish(self, done: Imported) -> None: ...


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: UUID
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    locale: str | None = Field(max_length=35)
    timezone: str | None = Field(max_length=64)


@dataclass(slots=True)
class _Coming:
    """An import under way. `ids` are the users' ids here, by those in the archive, where they differ."""

    file: ArchiveFile
    slug: str
    name: str
    ids: dict[str, str] = field(default_factory=dict)
    people: int = 0

    @property
    def manifest(self) -> Manifest:
        return self.file.manifest

    @property
    def tenant_id(self) -> UUID:
        return self.manifest.organisation.id


class TenantImport:
    """Imports. Rows keep their ids, so an organisation comes in where it is not there yet."""

    def __init__(self, settings: Settings, database: Database, runtime: Runtime, plugins: PluginHost) -> None:
        self._settings = settings
        self._database = database
        self._runtime = runtime
        self._plugins = plugins

    async def run(
        self,
        path: Path,
        *,
        slug: str | None = None,
        name: str | None = None,
        max_bytes: int = MAX_BYTES,
        watcher: Watcher | None = None,
    ) -> Imported:
        """Bring the archive in. The organisation is suspended then, until an operator lets it in.

        Args:
            slug: its short name here; by default as it was.

        Raises:
            ArchiveError: the archive is damaged, forged, of another version, or clashes with what is here. Nothing
                of it has come in.
        """
        file = await asyncio.to_thread(ArchiveFile, path, max_bytes=max_bytes)
        try:
            coming = _Coming(file, slug or file.manifest.organisation.slug, name or file.manifest.organisation.name)
            return await self._bring(coming, watcher or _Unwatched())
        finally:
            file.close()

    async def _bring(self, coming: _Coming, watcher: Watcher) -> Imported:
        await asyncio.to_thread(self._fits, coming)
        there = await self._there(coming)
        if there is not None:
            return there
        models = {table_of(model).name: model for model in portable_models(self._plugins)}
        rows, total = 0, sum(coming.manifest.rows.values())
        folder = files_of(self._settings, coming.tenant_id)
        # Not where another attempt at the same may be writing.
        draft = folder.with_name(f".{coming.tenant_id}-{uuid7()}")
        try:
            with use_context(self._serving(coming.tenant_id)):
                # One transaction under the new tenant: both walls hold for every row of it.
                async with unit_of_work(independent=True) as session:
                    await self._begin(session, coming)
                    for name, model in models.items():
                        async for count in self._table(session, coming, name, model):
                            rows += count
                            await watcher.counted(rows, total)
                    await asyncio.to_thread(_unpack, coming, draft)
                    done = Imported(tenant_id=coming.tenant_id, slug=coming.slug, rows=rows, people=coming.people)
                    await watcher.finish(done)
                    await asyncio.to_thread(_place, draft, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        return done

    def _serving(self, tenant_id: UUID) -> Context:
        """The new tenant's context; what began the import is still told in its log."""
        around = find_context() or Context(runtime=self._runtime)
        return replace(around, tenant_id=tenant_id, system_reason=None)

    def _fits(self, coming: _Coming) -> None:
        if not SLUG.fullmatch(coming.slug):
            raise ArchiveError(f"{coming.slug!r} is no short name of an organisation.")
        here = revisions_of(self._settings, self._plugins)
        tables = {table_of(model).name for model in portable_models(self._plugins)}
        missing = sorted(plugin for plugin in coming.manifest.revisions if plugin not in here)
        if missing:
            raise ArchiveError(f"It has data of plugins that do not run here: {', '.join(missing)}. Install them.")
        for plugin, revision in coming.manifest.revisions.items():
            if here[plugin] != revision:
                raise ArchiveError(
                    f"Its tables of {plugin} are at revision {revision}, and here they are at {here[plugin]}: bring "
                    "both installations to the same version, and export again."
                )
        unknown = sorted(coming.manifest.rows.keys() - tables)
        if unknown:
            raise ArchiveError(f"It has tables that are not imported: {', '.join(unknown[:_NAMED])}.")

    async def _there(self, coming: _Coming) -> Imported | None:
        """The organisation, if this very archive has come in before.

        Raises:
            ArchiveError: its id or its short name are somebody else's here.
        """
        async with self._database.system("import tenant", self._runtime, read_only=True) as db:
            same = (await db.exec(select(Tenant).where(col(Tenant.id) == coming.tenant_id))).one_or_none()
            named = (await db.exec(select(Tenant).where(col(Tenant.slug) == coming.slug))).one_or_none()
        if same is not None and same.status != TenantStatus.DELETED:
            if same.imported_from == _mark(coming):
                return Imported(tenant_id=same.id, slug=same.slug, rows=0, people=0, again=True)
            raise ArchiveError(
                f"The organisation {coming.tenant_id} is here already, as {same.slug!r} ({same.status}). Rows keep "
                "their ids, so it cannot be here twice: delete that one first, or import elsewhere."
            )
        if named is not None:
            raise ArchiveError(f"There is an organisation {coming.slug!r} already: choose another short name.")
        return None

    async def _begin(self, session: AsyncSession, coming: _Coming) -> None:
        organisation = coming.manifest.organisation
        query = select(Tenant).where(col(Tenant.id) == coming.tenant_id).with_for_update()
        # It may come back to where it was deleted.
        tenant = (await session.exec(query)).one_or_none() or Tenant(id=coming.tenant_id, slug="", name="")
        tenant.slug, tenant.name, tenant.status = coming.slug, coming.name, TenantStatus.SUSPENDED
        tenant.locale, tenant.timezone = organisation.locale, organisation.timezone
        tenant.imported_from, tenant.delete_at, tenant.deletion_claimed_at = _mark(coming), None, None
        session.add(tenant)
        await session.flush()
        part = next((part for part in coming.manifest.parts if part.name == PEOPLE), None)
        for line in coming.file.lines(part) if part is not None else ():
            await _person(session, coming, line)
        told = AuditRecord(
            action="kernel.tenant.import",
            object_kind="kernel.tenant",
            object_id=str(coming.tenant_id),
            object_title=coming.name,
            details={"exported_at": coming.manifest.created_at.isoformat(), "version": coming.manifest.version},
            tenant_id=coming.tenant_id,
        )
        session.add(entry(told, actor_kind="operator"))
        await session.flush()

    async def _table(
        self, session: AsyncSession, coming: _Coming, name: str, model: type[TenantModel]
    ) -> AsyncIterator[int]:
        own = OwnReferences(model)
        for part in coming.manifest.parts:
            if part.table != name:
                continue
            batches = _batches(coming, part, model)
            # Unpacking and checking is work for the processor: requests go on meanwhile.
            while batch := await asyncio.to_thread(next, batches, None):
                await self._insert(session, name, model, own.held_back(batch))
                yield len(batch)
        try:
            async with session.begin_nested():
                await own.fill_in(session)
        except IntegrityError:
            raise ArchiveError(_LOOSE.format(name)) from None

    async def _insert(
        self, session: AsyncSession, name: str, model: type[TenantModel], batch: list[dict[str, Any]]
    ) -> None:
        try:
            async with session.begin_nested():
                await session.exec(insert(model), params=batch)
        except IntegrityError:
            raise ArchiveError(await self._clash(name, model, [row["id"] for row in batch])) from None
        except DBAPIError as error:
            raise ArchiveError(f"{name}: the database does not take a row: {str(error.orig)[:200]}") from None

    async def _clash(self, name: str, model: type[TenantModel], ids: list[UUID]) -> str:
        async with self._database.system("import tenant", self._runtime, read_only=True) as db:
            taken = (await db.exec(select(model.id).where(col(model.id).in_(ids)))).all()
        if taken:
            named = ", ".join(str(row_id) for row_id in taken[:_NAMED])
            return f"{name}: {len(taken)} of its ids are taken here, among them {named}. Nothing was imported."
        return _LOOSE.format(name)


def _mark(coming: _Coming) -> str:
    """What tells one archive from another: when it was made."""
    return coming.manifest.created_at.isoformat()


def _batches(coming: _Coming, part: Part, model: type[TenantModel]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    adjust = _ADJUST.get(table_of(model).name)
    for line in coming.file.lines(part):
        row = decode(model, line, coming.tenant_id, coming.ids)
        batch.append(adjust(row) if adjust else row)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _waiting_again(row: dict[str, Any]) -> dict[str, Any]:
    """A timer whose event was on its way is to be claimed anew: that event was for another platform."""
    if row["state"] in {TimerState.DISPATCHED, TimerState.HELD}:
        return {**row, "state": TimerState.WAITING, "event_id": None, "dispatched_at": None, "held_for": None}
    return row


_ADJUST: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"kernel_timer": _waiting_again}


async def _person(session: AsyncSession, coming: _Coming, line: bytes) -> None:
    """The account of a person's address, made if there is none; without a password then."""
    try:
        person = _Person.model_validate_json(line)
        email = checked_email(person.email)
    except (ValidationError, Invalid):
        raise ArchiveError(f"{PEOPLE}: a line is no person.") from None
    coming.people += 1
    user = (await session.exec(select(User).where(col(User.email) == email))).one_or_none()
    if user is not None and user.password_hash is not None and user.email_verified_at is None:
        # Somebody may have made the account to wait there.
        raise ArchiveError(f"The account of {email} has not confirmed its address; let its owner do that first.")
    if user is None:
        taken = (await session.exec(select(User.id).where(col(User.id) == person.id))).first() is not None
        given = person.model_dump(exclude={"email"} | ({"id"} if taken else set()))
        user = User(email=email, **given)
        session.add(user)
        await session.flush()
    if user.id != person.id:
        coming.ids[str(person.id)] = str(user.id)


def _unpack(coming: _Coming, folder: Path) -> None:
    for part in coming.manifest.parts:
        if not part.name.startswith("files/"):
            continue
        path = folder.joinpath(*PurePosixPath(part.name).parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("wb") as target:
            path.chmod(0o600)
            for piece in coming.file.pieces(part):
                target.write(piece)


def _place(draft: Path, folder: Path) -> None:
    """Let the files be the organisation's. What lies there already is of an attempt that was never committed."""
    shutil.rmtree(folder, ignore_errors=True)
    if draft.is_dir():
        draft.replace(folder)
