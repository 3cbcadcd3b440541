"""Bring drawings in from other designers, and take them out."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from riveredge_approvals.drawing.importing import Format, Imported, ImportFailedError, import_drawing
from riveredge_approvals.models import Process
from riveredge_approvals.processes import service
from riveredge_approvals.processes.import_schemas import ExportOut, ImportNewIn, ImportNewOut, ImportOut, NoteOut
from riveredge_approvals.processes.schemas import DraftIn, DraftOut, ProcessIn, ProcessOut
from riveredge_sdk.problems import Invalid, field_errors, invalid_field


def read(document: Mapping[str, Any] | str, format_: Format | None) -> Imported:
    """A document of another designer.

    Raises:
        Invalid: it is none.
    """
    try:
        raw = json.loads(document) if isinstance(document, str) else document
        if not isinstance(raw, Mapping):
            raise ImportFailedError("It is no JSON object.")
        return import_drawing(raw, format_)
    except (ImportFailedError, json.JSONDecodeError) as error:
        raise invalid_field("document", f"It cannot be imported: {error}", "format") from None
    except RecursionError:
        raise invalid_field("document", "It cannot be imported: it nests too deep.", "format") from None


async def replace_draft(process: Process, imported: Imported, revision: int) -> ImportOut:
    """Make it the draft. Its form is taken, too, if it has one.

    Raises:
        PreconditionFailed: somebody else has written the draft meanwhile.
        Invalid: what came of it is no drawing that can be kept.
    """
    draft = await _write(process, imported, revision)
    return ImportOut(format=imported.format, notes=_notes(imported), draft=draft)


async def make_process(body: ImportNewIn, imported: Imported) -> ImportNewOut:
    """Make a process of it.

    Raises:
        Invalid: it has no key, or none that can be one.
        Conflict: the key is taken.
    """
    key, title = body.key or imported.key.lower(), body.title or imported.name
    try:
        made = ProcessIn(key=key, title=title or key)
    except ValidationError:
        raise invalid_field("key", "Give a key: the document has none that can be one here.", "required") from None
    process = await service.create(made)
    draft = await _write(process, imported, process.draft_rev)
    shown = ProcessOut.model_validate(process)
    return ImportNewOut(format=imported.format, notes=_notes(imported), draft=draft, process=shown)


async def _write(process: Process, imported: Imported, revision: int) -> DraftOut:
    form = imported.form if imported.form is not None else process.form_schema
    try:
        draft = DraftIn(revision=revision, diagram=imported.drawing, form_schema=form)
    except ValidationError as error:
        errors = field_errors(error.errors(), {}, under=["document"])
        raise Invalid("It cannot be imported.", errors=errors) from None
    return await service.write_draft(process, draft)


def _notes(imported: Imported) -> list[NoteOut]:
    return [NoteOut(kind=note.kind, path=note.path, message=note.message) for note in imported.notes]


def export(process: Process, drawing: Mapping[str, Any], form: Mapping[str, Any]) -> ExportOut:
    """A drawing of a process, so that it can be imported elsewhere."""
    return ExportOut(
        name=process.title,
        key=process.key,
        settings=drawing.get("settings", {}),
        nodes=drawing.get("nodes", []),
        edges=drawing.get("edges", []),
        viewport=drawing.get("viewport"),
        form=dict(form),
    )
