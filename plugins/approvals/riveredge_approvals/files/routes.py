"""`/api/v1/approvals/files`: files of comments and forms."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from riveredge_approvals.files import keeping
from riveredge_approvals.files.schemas import FileOut
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import ExpectedVersion, Router
from riveredge_sdk.files import MAX_NAME, UNKNOWN, as_download

router = Router(prefix="/files", tag="Approvals: requests", audit=False)
_BINARY: dict[str, Any] = {UNKNOWN: {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    require=REQUEST_USE,
    max_body_size=keeping.MAX_BYTES,
    openapi_extra={"requestBody": {"required": True, "description": "The file.", "content": _BINARY}},
    summary="Hand a file in",
)
async def upload(
    request: Request, name: Annotated[str, Query(min_length=1, max_length=MAX_NAME, description="For example a.pdf.")]
) -> FileOut:
    """The body is the file, its Content-Type the type. It is the caller's until a comment (`attachments`) or a form (a
    field of the format `file`) uses it, and is deleted after a day if none does."""
    content = await request.body()
    return FileOut.model_validate(await keeping.hand_in(name, request.headers.get("content-type", ""), content))


@router.get("/{file_id}", require=REQUEST_USE, summary="What is known of a file")
async def get_file(file_id: UUID) -> FileOut:
    return FileOut.model_validate(await keeping.find(file_id))


@router.get(
    "/{file_id}/content",
    require=REQUEST_USE,
    summary="Download a file",
    response_model=None,
    response_class=Response,
    responses={200: {"content": _BINARY}},
)
async def download(file_id: UUID) -> Response:
    """For whoever sees its request and, for a file of the form, its field."""
    file = await keeping.find(file_id)
    return as_download(await keeping.content_of(file), name=file.name, media_type=file.media_type)


@router.delete("/{file_id}", require=REQUEST_USE, summary="Take a file back that was not used")
async def delete_file(file_id: UUID, version: ExpectedVersion) -> None:
    await keeping.drop(file_id, version)
