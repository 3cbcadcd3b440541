"""Hand a file in, use it in one request, and read it as whoever may see that."""

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col

from riveredge_approvals.engine.store import load
from riveredge_approvals.events import FILE_UNUSED, FileRef
from riveredge_approvals.files.models import StoredContent, StoredFile
from riveredge_approvals.files.repository import QUOTA, Contents, Files
from riveredge_approvals.files.schemas import FileOut
from riveredge_approvals.files.using import owner_of
from riveredge_approvals.instances.access import may_see, must_see
from riveredge_approvals.instances.viewing import form_for_me
from riveredge_sdk import ListQuery, Page, current_principal, timers, utcnow
from riveredge_sdk.files import flaws, media_type_of
from riveredge_sdk.limits import Limit, count_hit
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, Invalid, NotFound
from riveredge_sdk.quotas import claim_quota

MAX_BYTES = 20_000_000
# How long one lies there that nobody uses.
UNUSED = timedelta(days=1)
_LIMIT = Limit("approvals.file", hits=120, seconds=60)


async def hand_in(name: str, media_type: str, content: bytes) -> StoredFile:
    """Keep a file for its uploader, until she uses it in a request; for a day.

    Raises:
        Invalid: its name, type or content are not taken.
        QuotaExceeded: the organisation keeps as many bytes as it may.
        TooManyRequests: she has handed in many just now.
    """
    me = current_principal().id
    await count_hit(_LIMIT, str(me))
    known = media_type_of(name, media_type.partition(";")[0])
    errors = list(flaws(name, known, content))
    if not content:
        errors.append(FieldError("body", "The file is empty.", "empty"))
    if errors:
        raise Invalid("The file is not taken.", errors=errors)
    await claim_quota(QUOTA, len(content))
    digest = hashlib.sha256(content).hexdigest()
    file = await Files().add(
        StoredFile(uploaded_by=me, name=name, media_type=known, size=len(content), digest=f"sha256:{digest}")
    )
    await Contents().add(StoredContent(file_id=file.id, content=content))
    await timers.set(owner_of(file.id), "unused", utcnow() + UNUSED, FILE_UNUSED, FileRef(file_id=file.id))
    return file


async def find(file_id: UUID) -> StoredFile:
    """A file that the current user may read: her own until it is used, then that of a request she sees.

    Raises:
        NotFound: she may not, or there is none: which of the two is not told.
    """
    file = await Files().find(col(StoredFile.id) == file_id)
    if file is None or not await _may_read(file):
        raise NotFound(f"There is no file with the id {file_id} here.")
    return file


async def page(instance_id: UUID, query: ListQuery) -> Page[FileOut]:
    """The files of a request that the current user may read.

    Raises:
        NotFound: it is not there for her.
    """
    await must_see(instance_id)
    shown = await form_for_me(await load(instance_id, lock=False))
    mine = or_(col(StoredFile.field).is_(None), col(StoredFile.field).in_(list(shown)))
    return await Files().page(query, col(StoredFile.instance_id) == instance_id, mine, into=FileOut)


async def content_of(file: StoredFile) -> bytes:
    """Its bytes."""
    row = await Contents().find(col(StoredContent.file_id) == file.id)
    if row is None:
        raise NotFound(f"There is no file with the id {file.id} here.")
    return row.content


async def drop(file_id: UUID, version: int) -> None:
    """Take back a file that was not used.

    Raises:
        NotFound: as `find`.
        Forbidden: somebody else has handed it in.
        Conflict: a request uses it.
    """
    await find(file_id)
    file = await Files().get(file_id, version=version, lock=True)
    if file.instance_id is not None:
        raise Conflict("The file belongs to a request, and stays with it.")
    if file.uploaded_by != current_principal().id:
        raise Forbidden("Only who has handed it in can take it back.")
    await timers.cancel(owner_of(file.id))
    await Files().delete(file)


async def expire(file_id: UUID) -> bool:
    """Nobody has used it in time."""
    try:
        # Whoever uses it just now comes first, or is told that it is gone.
        file = await Files().get(file_id, lock=True)
    except NotFound:
        return False
    if file.instance_id is not None:
        return False
    await Files().delete(file)
    return True


async def _may_read(file: StoredFile) -> bool:
    if file.instance_id is None:
        return file.uploaded_by == current_principal().id
    if not await may_see(file.instance_id):
        return False
    if file.field is None:
        return True
    # What is hidden from her in the form is not hers to read either.
    return file.field in await form_for_me(await load(file.instance_id, lock=False))
