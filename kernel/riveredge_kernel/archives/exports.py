"""`/api/v1/tenant/exports`: an organisation takes along what it has."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlmodel import col

from riveredge_kernel.archives import work
from riveredge_kernel.archives.models import Archive, ArchiveKind
from riveredge_sdk.audit import record
from riveredge_sdk.auth import redeem_ticket
from riveredge_sdk.context import current_tenant
from riveredge_sdk.http import Body, ExpectedVersion, ListQuery, Page, Resource, Router
from riveredge_sdk.problems import NotFound
from riveredge_sdk.uow import unit_of_work

EXPORT = "kernel.tenant.export"
PURPOSE = "kernel.tenant_export"
Ticket = Annotated[
    str | None, Field(max_length=200, description="Of POST /auth/tickets; without it the answer says what to ask for.")
]


class ExportIn(Body):
    """Who asks, once more."""

    ticket: Ticket = None


class ArchiveOut(Resource):
    """An archive, and how far it has come. It can be downloaded while it is `completed`."""

    kind: str
    user_id: Annotated[UUID | None, Field(description="Whose data it holds, if it is about one person.")]
    requested_by_id: UUID | None
    state: Annotated[str, Field(description="running, completed, failed, or expired: its content has been deleted.")]
    progress: Annotated[dict[str, Any], Field(description="How many rows and bytes there are by now.")]
    failures: Annotated[dict[str, Any], Field(description="By plugin, why its part is missing so far.")]
    error: str | None
    completed_at: datetime | None
    expires_at: datetime | None


def content_hash(tenant_id: UUID) -> str:
    """What a ticket for the export is about."""
    return "sha256:" + hashlib.sha256(f"{PURPOSE} {tenant_id}".encode()).hexdigest()


async def find(archive_id: UUID, *kinds: str, version: int | None = None) -> Archive:
    """The archive, if it is of one of these kinds.

    Raises:
        NotFound: there is none here.
    """
    found = await work.Archives().get(archive_id, version=version)
    if found.kind not in kinds:
        raise NotFound(f"There is no archive with the id {archive_id} here.")
    return found


async def download(archive: Archive, name: str) -> StreamingResponse:
    """The archive as a file, which nothing on the way may keep. The audit log is told, although it only reads."""
    async with unit_of_work(independent=True):
        record("kernel.archive.download", "kernel.archive", archive.id, title=archive.kind)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', "Cache-Control": "no-store"}
    pieces: AsyncIterator[bytes] = await work.content(archive)
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def export_router() -> Router:
    """The routes."""
    router = Router(prefix="/tenant/exports", tag="Organisation", audit="kernel.archive")
    archives = work.Archives()
    kind = ArchiveKind.TENANT_EXPORT

    @router.post(require=EXPORT, status=202, summary="Export everything that the organisation has")
    async def create_tenant_export(body: ExportIn) -> ArchiveOut:
        """A ZIP file is made in the background: every row of every plugin, people without their passwords, files.

        Needs a ticket.
        """
        await redeem_ticket(body.ticket, purpose=PURPOSE, content_hash=content_hash(current_tenant()))
        return ArchiveOut.model_validate(await work.ask(kind))

    @router.get(require=EXPORT, summary="List exports of the organisation")
    async def list_tenant_exports(query: Annotated[ListQuery, Query()]) -> Page[ArchiveOut]:
        return await archives.page(query, col(Archive.kind) == kind, into=ArchiveOut)

    @router.get("/{archive_id}", require=EXPORT, summary="How far an export has come")
    async def get_tenant_export(archive_id: UUID) -> ArchiveOut:
        return ArchiveOut.model_validate(await find(archive_id, kind))

    @router.get("/{archive_id}/content", require=EXPORT, summary="Download an export", response_model=None)
    async def download_tenant_export(archive_id: UUID) -> StreamingResponse:
        return await download(await find(archive_id, kind), f"organisation-{current_tenant()}")

    @router.delete("/{archive_id}", require=EXPORT, summary="Delete an export")
    async def delete_tenant_export(archive_id: UUID, version: ExpectedVersion) -> None:
        await archives.delete(await find(archive_id, kind, version=version))

    return router
