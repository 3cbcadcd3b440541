"""`/api/v1/operator/imports`: operators bring organisations in, from archives that other installations have made."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from starlette.requests import Request

from riveredge_kernel.archives.receiving import MAX_UPLOAD, AllImports, Imports
from riveredge_kernel.tenancy.operator_routes import REFUSED
from riveredge_kernel.tenancy.provisioning import SLUG
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Resource, Router

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The ZIP file of an export.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ImportOut(Resource):
    """An import. When it is `completed`, the organisation is there, suspended, until an operator resumes it."""

    state: Annotated[str, Field(description="receiving, waiting, checking, importing; completed or failed in the end.")]
    slug: Annotated[str | None, Field(description="The short name asked for; in the end, the one it has.")]
    name: str | None
    size: Annotated[int, Field(description="Bytes of the file.")]
    sha256: Annotated[str | None, Field(description="Of the file, in hexadecimal, to compare with what was sent.")]
    attempt: Annotated[int, Field(description="How often it was begun: again after a crash.")]
    rows: Annotated[int, Field(description="How many are in by now. On SQLite, in the end only.")]
    rows_total: Annotated[int | None, Field(description="How many the archive has, once that is known.")]
    people: int
    again: Annotated[bool, Field(description="This very archive had come in before, and nothing was done.")]
    organisation_id: UUID | None
    error: Annotated[str | None, Field(description="Why nothing of it has come in, and what to do.")]
    finished_at: datetime | None


def import_router(imports: Imports) -> Router:
    """The routes. Public to the gate, which knows members only: `mount` lets operators in."""
    router = Router(prefix="/operator/imports", tag="Operators", audit=False)
    rows = AllImports()

    @router.post(
        public=True,
        responses=REFUSED,
        status=202,
        own_transactions=True,
        max_body_size=MAX_UPLOAD,
        openapi_extra=_BODY,
        summary="Import an organisation",
    )
    async def create_import(
        request: Request,
        response: Response,
        slug: Annotated[
            str | None, Query(pattern=f"^{SLUG.pattern}$", description="Its short name here; as it was.")
        ] = None,
        name: Annotated[
            str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="As it was.")
        ] = None,
    ) -> ImportOut:
        """The body is the ZIP file of an export, up to 200 MB; larger ones: `riveredge tenant import`.

        The file is brought in by a durable function, whole or not at all: `Location` says where to look how far it is.
        """
        made = await imports.receive(request.stream(), slug=slug, name=name)
        response.headers["Location"] = f"/api/v1/operator/imports/{made.id}"
        return ImportOut.model_validate(made)

    @router.get(public=True, responses=REFUSED, summary="List imports")
    async def list_imports(query: Annotated[ListQuery, Query()]) -> Page[ImportOut]:
        return await rows.page(query, into=ImportOut)

    @router.get("/{import_id}", public=True, responses=REFUSED, summary="How far an import has come")
    async def get_import(import_id: UUID) -> ImportOut:
        return ImportOut.model_validate(await rows.get(import_id))

    @router.delete(
        "/{import_id}", public=True, responses=REFUSED, own_transactions=True, summary="Cancel or forget an import"
    )
    async def delete_import(import_id: UUID, version: ExpectedVersion) -> None:
        """One that is under way ends, and nothing of it has come in. An organisation that is there stays."""
        await imports.cancel(import_id, version)

    return router
