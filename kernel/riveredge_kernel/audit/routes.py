"""`/api/v1/audit`: the audit log, to read, to search and to take along."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from riveredge_kernel.audit.files import CSV_HEAD, as_csv, as_ndjson
from riveredge_kernel.audit.models import AuditEntry
from riveredge_sdk.context import Context, current_context, use_context
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import MAX_PAGE, ListQuery, Page, Router
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import unit_of_work

MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


class AuditOut(BaseModel):
    """An entry."""

    id: UUID
    created_at: datetime
    action: str
    object_kind: str
    object_id: str
    object_title: str
    details: dict[str, Any]
    actor_kind: str = Field(description="user, service, function, operator or system")
    actor_id: UUID | None
    actor_name: str
    api_key_id: UUID | None
    address: str | None = Field(description="The client's address, if it was a request.")
    request_id: str
    run_id: str | None


class ExportQuery(BaseModel):
    """Which entries, and how."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["ndjson", "csv"] = Field(default="ndjson", description="One JSON object a line, or a table.")
    filter: str | None = Field(default=None, max_length=10_000, description="As in the list.")

    def page(self, cursor: str | None) -> ListQuery:
        """The query of one page."""
        return ListQuery(limit=MAX_PAGE, sort="created_at", filter=self.filter, cursor=cursor)


class AuditEntries(Repository[AuditEntry]):
    """The current tenant's entries."""

    model = AuditEntry
    fields = (
        FilterField("action", "text", AuditEntry.action, "Action"),
        FilterField("object_kind", "text", AuditEntry.object_kind, "Kind of object"),
        FilterField("object_id", "text", AuditEntry.object_id, "Object"),
        FilterField("object_title", "text", AuditEntry.object_title, "Object's title"),
        FilterField("actor_kind", "text", AuditEntry.actor_kind, "Kind of actor"),
        FilterField("actor_id", "uuid", AuditEntry.actor_id, "Actor"),
        FilterField("actor_name", "text", AuditEntry.actor_name, "Actor's name"),
        FilterField("api_key_id", "uuid", AuditEntry.api_key_id, "API key"),
        FilterField("address", "text", AuditEntry.address, "Address"),
        FilterField("request_id", "text", AuditEntry.request_id, "Request"),
        FilterField("run_id", "text", AuditEntry.run_id, "Run"),
    )


def audit_router() -> Router:
    """The routes."""
    router = Router(prefix="/audit", tag="Audit log")
    entries = AuditEntries()

    @router.get(require="kernel.audit.read", summary="Search the audit log")
    async def list_audit_entries(query: Annotated[ListQuery, Query()]) -> Page[AuditOut]:
        return await entries.page(query, into=AuditOut)

    @router.get(
        "/export",
        require="kernel.audit.read",
        summary="The audit log as a file",
        response_model=None,
        response_class=StreamingResponse,
        responses={200: {"content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()}}},
    )
    async def export_audit_entries(query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
        """Oldest first. Cells of the table that a spreadsheet would take for a formula begin with an apostrophe."""
        # The first page now, so that a wrong filter is answered by a problem.
        first = await entries.page(query.page(None), into=AuditOut)
        headers = {"Content-Disposition": f'attachment; filename="audit.{query.format}"'}
        return StreamingResponse(_lines(entries, first, query), media_type=MEDIA_TYPES[query.format], headers=headers)

    @router.get("/{entry_id}", require="kernel.audit.read", summary="One entry")
    async def get_audit_entry(entry_id: UUID) -> AuditOut:
        return AuditOut.model_validate(await entries.get(entry_id), from_attributes=True)

    return router


async def _read(entries: AuditEntries, query: ListQuery, context: Context) -> Page[AuditOut]:
    """A page in a transaction of its own: the answer is still being sent when that of the request is over."""
    with use_context(context):
        async with unit_of_work(independent=True, read_only=True):
            return await entries.page(query, into=AuditOut)


def _lines(entries: AuditEntries, first: Page[AuditOut], query: ExportQuery) -> AsyncIterator[bytes]:
    context = current_context()

    async def lines() -> AsyncIterator[bytes]:
        if query.format == "csv":
            yield CSV_HEAD
        write = as_csv if query.format == "csv" else as_ndjson
        page = first
        while True:
            yield write(entry.model_dump(mode="json") for entry in page.items)
            if page.next is None:
                return
            page = await _read(entries, query.page(page.next), context)

    return lines()
