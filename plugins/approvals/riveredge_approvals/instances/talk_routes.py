"""`/api/v1/approvals/instances/{id}/urge|cc|comments|read`: how people talk about requests."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_approvals.files import keeping
from riveredge_approvals.files.schemas import FileOut
from riveredge_approvals.instances import talking
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.talk_schemas import (
    CommentIn,
    CommentOut,
    CopyCount,
    CopyIn,
    CopyOut,
    UrgeIn,
    UrgeOut,
)
from riveredge_approvals.models import CarbonCopy, Comment
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.settings import ApprovalsTenantSettings
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, tenant_settings

router = Router(prefix="/instances/{instance_id}", tag="Approvals: requests", audit=False)


@router.post("/urge", require=REQUEST_USE, status=200, summary="Press for decisions")
async def urge(instance_id: UUID, body: UrgeIn) -> UrgeOut:
    """Tells whoever has not decided yet, at once; once in the time that the organisation's settings say."""
    people, case = await talking.urge(instance_id, body.text)
    minutes = (await tenant_settings(ApprovalsTenantSettings)).urge_every_minutes
    return UrgeOut(people=people, again_at=case.now + timedelta(minutes=minutes))


@router.post("/cc", require=REQUEST_USE, status=200, summary="Let people know")
async def copy(instance_id: UUID, body: CopyIn) -> CopyCount:
    return CopyCount(new=await talking.copy(instance_id, body.users))


@router.get("/cc", require=REQUEST_USE, summary="Who was told, and who has read it")
async def list_copies(instance_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[CopyOut]:
    await must_see(instance_id)
    return await talking.Copies().page(query, col(CarbonCopy.instance_id) == instance_id, into=CopyOut)


@router.get("/comments", require=REQUEST_USE, summary="What people said")
async def list_comments(instance_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[CommentOut]:
    await must_see(instance_id)
    return await talking.Comments().page(query, col(Comment.instance_id) == instance_id, into=CommentOut)


@router.post("/comments", require=REQUEST_USE, summary="Say something")
async def comment(instance_id: UUID, body: CommentIn) -> CommentOut:
    return CommentOut.model_validate(await talking.comment(instance_id, body))


@router.get("/files", require=REQUEST_USE, summary="The files of its form and its comments")
async def list_files(instance_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[FileOut]:
    """Without those of fields that are hidden from the caller."""
    return await keeping.page(instance_id, query)


@router.delete("/comments/{comment_id}", require=REQUEST_USE, summary="Take a comment back")
async def delete_comment(instance_id: UUID, comment_id: UUID, version: ExpectedVersion) -> None:
    await talking.uncomment(instance_id, comment_id, version)


@router.post("/read", require=REQUEST_USE, status=204, summary="Mark it as read")
async def mark_read(instance_id: UUID) -> None:
    """What the caller is asked about it, and her copies."""
    await talking.mark_read(instance_id)
