"""Files come to belong to a request: those that a comment or its form names, if whoever names them handed them in."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_approvals.files.models import StoredFile
from riveredge_approvals.models import Instance
from riveredge_sdk import session, timers
from riveredge_sdk.problems import FieldError, Invalid, invalid_field

MAX_FILES = 100
_FORMAT = "file"


async def own(files: Sequence[UUID], by: UUID | None) -> dict[UUID, StoredFile]:
    """Those of these that somebody has handed in here and not used yet, locked."""
    if not files or by is None:
        return {}
    query = select(StoredFile).where(
        col(StoredFile.id).in_(set(files)), col(StoredFile.uploaded_by) == by, col(StoredFile.instance_id).is_(None)
    )
    rows = (await session().exec(query.order_by(col(StoredFile.id)).with_for_update())).all()
    return {file.id: file for file in rows}


async def use(file: StoredFile, instance_id: UUID, *, field: str | None = None) -> None:
    """It belongs to a request from now on."""
    file.instance_id, file.field = instance_id, field
    await timers.cancel(owner_of(file.id))


async def drop_with(attachments: Sequence[Mapping[str, Any]]) -> None:
    """The comment that they were attached to was taken back: they go with it."""
    ids = [UUID(str(each["id"])) for each in attachments]
    await session().exec(delete(StoredFile).where(col(StoredFile.id).in_(ids), col(StoredFile.field).is_(None)))


async def use_in_form(
    instance: Instance, schema: Mapping[str, Any], before: Mapping[str, Any], *, by: UUID | None
) -> None:
    """The files that a form has come to name belong to its request.

    Args:
        before: the form as it was; what it named is no new file.

    Raises:
        Invalid: naming the field that names a file which is not the writer's to use.
    """
    named = _named(schema, instance.form)
    known = {text for _, text in _named(schema, before)}
    new = [(field, text, _id(text)) for field, text in named if text not in known]
    if len(named) > MAX_FILES:
        raise invalid_field("form", f"At most {MAX_FILES} files in a form.", "too-many")
    found = await own([file_id for _, _, file_id in new if file_id is not None], by)
    errors = []
    for field, _, file_id in new:
        file = found.get(file_id) if file_id is not None else None
        if file is None:
            message = "There is no such file that you have handed in and not used yet."
            errors.append(FieldError(f"form.{field}", message, "unknown"))
        else:
            await use(file, instance.id, field=field)
    if errors:
        raise Invalid("The form names files that are not there.", errors=errors)


def _named(schema: Mapping[str, Any], form: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The files that a form names: texts of the format `file`, and lists of them; field by field."""
    found = []
    for field, part in schema.get("properties", {}).items():
        value = form.get(field)
        many = part.get("items") if isinstance(part, Mapping) and isinstance(value, list) else None
        kind = many if many is not None else part
        if isinstance(kind, Mapping) and kind.get("format") == _FORMAT:
            found += [(field, str(each)) for each in (value if isinstance(value, list) else [value]) if each]
    return found


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def owner_of(file_id: UUID) -> timers.Owner:
    """Whose timer it is that ends the wait for a file's use."""
    return timers.Owner("approvals.file", file_id)
