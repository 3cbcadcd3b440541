"""`/api/v1/directory/imports` and `/exports`: the organisation as tables that spreadsheets read and write."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response
from starlette.requests import Request

from riveredge_directory.permissions import MANAGE
from riveredge_directory.schemas import At
from riveredge_directory.settings import DirectorySettings
from riveredge_directory.tables import exporting, files
from riveredge_directory.tables.cells import understand
from riveredge_directory.tables.columns import Kind
from riveredge_directory.tables.importing import bring_in
from riveredge_directory.tables.reports import ImportReport
from riveredge_directory.turns import day_of, take_turn
from riveredge_sdk import Router, current_context
from riveredge_sdk.audit import record

MAX_BYTES = 5_000_000
# What has been imported is an entry of its own; a dry run is none.
router = Router(prefix="/imports", tag="Directory: tables", audit=False)
export_router = Router(prefix="/exports", tag="Directory: tables")

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, or a form with it.",
        "content": {
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post(require=MANAGE, status=200, max_body_size=MAX_BYTES, openapi_extra=_BODY, summary="Import a table")
async def import_table(
    request: Request,
    kind: Annotated[Kind | None, Query(description="What the lines are about; without it, the columns tell.")] = None,
    dry_run: Annotated[bool, Query(description="Only tell what each line would do.")] = False,
    end_others: Annotated[
        bool, Query(description="People of the file leave the departments that it does not name for them.")
    ] = False,
    new_positions: Annotated[bool, Query(description="Positions that are not there yet are created.")] = False,
) -> ImportReport:
    """The body, or the one file of a form, is a CSV file of departments or of people, as exports write it. It comes in
    whole or not at all.

    What lines do not name stays as it is; the same file twice changes nothing. Columns that are not there leave things
    as they are, and an empty cell means that there is none. Encoding and separator are found out.
    """
    content = files.content_of(request.headers.get("Content-Type", ""), await request.body())
    sheet = files.read(content, max_lines=DirectorySettings().max_import_lines)
    table = understand(sheet, kind)
    await take_turn()
    report = await bring_in(sheet, table, dry_run=dry_run, end_others=end_others, new_positions=new_positions)
    if not dry_run:
        counts = {"created": report.created, "changed": report.changed}
        record("directory.import_table", "directory.table", table.kind, details=counts)
    return report


@export_router.get("/{kind}", require=MANAGE, summary="Export a table", response_class=Response, responses=_FILE)
async def export_table(
    kind: Kind,
    at: Annotated[At, Query()] = None,
    encoding: Annotated[
        Literal["utf-8", "gb18030"], Query(description="What spreadsheets open: gb18030 for older ones in China.")
    ] = "utf-8",
    language: Annotated[
        Literal["en", "zh"] | None, Query(description="Of the names of the columns; without it, your own.")
    ] = None,
) -> Response:
    """Departments or people as a CSV file. Brought in again, it changes nothing.

    Cells that a spreadsheet would take for formulas begin with an apostrophe, which imports take off again.
    """
    chinese = (language or current_context().locale).lower().startswith("zh")
    day = at or day_of()
    lines = await (exporting.departments(day) if kind == "departments" else exporting.people(day, chinese=chinese))
    content = files.write(exporting.head(kind, chinese=chinese), lines, encoding)
    headers = {"Content-Disposition": f'attachment; filename="{kind}-{day}.csv"'}
    return Response(content, media_type=f"text/csv; charset={encoding}", headers=headers)
