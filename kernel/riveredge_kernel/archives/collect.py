"""Everything that one organisation has, as of one instant, piece by piece."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.archives.manifest import PEOPLE, Chunk, ManifestBuilder, Organisation
from riveredge_kernel.archives.rows import encode, portable_models, secret_columns, table_of
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.oidc.models import Identity
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.schema import runner_for
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.context import current_tenant
from riveredge_sdk.models import TenantModel
from riveredge_sdk.uow import unit_of_work

ROWS = 1000
_READ = 1 << 20
# Of people, what others of the organisation see. Passwords and second factors are theirs, and stay.
_PERSON = ("id", "email", "name", "locale", "timezone")


def files_of(settings: Settings, tenant: object) -> Path:
    """Where an organisation's files lie."""
    return settings.var_dir / "files" / str(tenant)


async def collect(settings: Settings, plugins: PluginHost) -> AsyncGenerator[Chunk, None]:
    """The current tenant's rows, people and files, and in the end the manifest.

    All rows are of one instant: they are read in one transaction that sees no later change.
    """
    revisions = await asyncio.to_thread(revisions_of, settings, plugins)
    async with unit_of_work(independent=True, read_only=True) as session:
        if session.get_bind().dialect.name == "postgresql":
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        tenant = (await session.exec(select(Tenant).where(col(Tenant.id) == current_tenant()))).one()
        builder = ManifestBuilder(_organisation(tenant), revisions)
        async for chunk in _rows(session, portable_models(plugins)):
            builder.add(chunk)
            yield chunk
        people = await _people(session)
        builder.add(people)
        yield people
    for chunk in _files(files_of(settings, current_tenant())):
        builder.add(chunk)
        yield chunk
    yield builder.done({table_of(m).name: found for m in portable_models(plugins) if (found := secret_columns(m))})


def revisions_of(settings: Settings, plugins: PluginHost) -> dict[str, str | None]:
    """The revision of each running plugin's tables: one that runs is at its newest."""
    return runner_for(settings, plugins).heads()


def _organisation(tenant: Tenant) -> Organisation:
    return Organisation(
        id=tenant.id, slug=tenant.slug, name=tenant.name, locale=tenant.locale, timezone=tenant.timezone
    )


async def _rows(session: AsyncSession, models: Iterable[type[TenantModel]]) -> AsyncIterator[Chunk]:
    for model in models:
        last, number = None, 0
        while True:
            query = select(model).order_by(col(model.id)).limit(ROWS)
            rows = (await session.exec(query if last is None else query.where(col(model.id) > last))).all()
            if not rows:
                break
            last = rows[-1].id
            yield Chunk(
                f"tables/{table_of(model).name}/{number:06d}.ndjson",
                b"".join(encode(model, row) for row in rows),
                len(rows),
            )
            number += 1
            session.expunge_all()


async def _people(session: AsyncSession) -> Chunk:
    members = set((await session.exec(select(Membership.user_id))).all())
    known = set((await session.exec(select(Identity.user_id))).all())
    query = select(User).where(col(User.id).in_(members | known)).order_by(col(User.id))
    lines = [_line({name: getattr(user, name) for name in _PERSON}) for user in (await session.exec(query)).all()]
    return Chunk(PEOPLE, b"".join(lines), len(lines))


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, default=str).encode() + b"\n"


def _files(folder: Path) -> Iterable[Chunk]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not path.is_file() or path.is_symlink():
            continue
        name = f"files/{path.relative_to(folder).as_posix()}"
        with path.open("rb") as file:
            piece = file.read(_READ)
            yield Chunk(name, piece)
            while piece := file.read(_READ):
                yield Chunk(name, piece)
