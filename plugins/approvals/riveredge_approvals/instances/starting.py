"""Which process is started, and who may."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from riveredge_approvals.ir.document import CompiledFlow, Who
from riveredge_approvals.models import Process, ProcessVersion
from riveredge_approvals.problems import VersionArchived
from riveredge_sdk import find_service, get_service, session
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.people import GROUPS, PEOPLE
from riveredge_sdk.problems import Conflict, NotFound, invalid_field

_PAGE = 500


async def published(process: str) -> ProcessVersion:
    """The version of a process on which new requests run.

    Args:
        process: its key or id.

    Raises:
        NotFound: there is no such process.
        VersionArchived: it is archived.
        Conflict: it was never published.
    """
    query = select(Process).where(or_(col(Process.key) == process, *_by_id(process)))
    found = (await session().exec(query)).one_or_none()
    if found is None:
        raise NotFound(f"There is no process {process!r} here.")
    if found.archived_at is not None:
        raise VersionArchived(f"The process {found.key!r} is archived.")
    if found.published is None:
        raise Conflict(f"The process {found.key!r} has not been published yet.")
    numbered = select(ProcessVersion).where(
        col(ProcessVersion.process_id) == found.id, col(ProcessVersion.number) == found.published
    )
    return (await session().exec(numbered)).one()


async def may_start(flow: CompiledFlow, user: UUID) -> bool:
    """Whether somebody may submit requests of a process."""
    for who in flow.settings.start:
        if await is_one_of(who, user):
            return True
    return False


async def is_one_of(who: Who, user: UUID) -> bool:
    """Whether somebody is, or belongs to, whom the settings name."""
    if who.type == "everyone":
        return True
    value = who.value or ""
    if who.type == "user":
        return value == str(user)
    try:
        return user in await _members(who.type, value)
    except LookupError:
        return False


async def _members(kind: str, value: str) -> set[UUID]:
    found: set[UUID] = set()
    after: UUID | None = None
    while True:
        page = await _page(kind, value, after)
        found.update(page)
        if len(page) < _PAGE:
            return found
        after = page[-1]


async def _page(kind: str, value: str, after: UUID | None) -> Sequence[UUID]:
    if kind == "role":
        return await get_service(PEOPLE).members(role=value, after=after, limit=_PAGE)
    if kind == "group":
        groups = find_service(GROUPS)
        return await groups.members(value, after=after, limit=_PAGE) if groups is not None else []
    directory = find_service(DIRECTORY)
    if directory is None:
        return []
    return await directory.members(value, include_children=True, after=after, limit=_PAGE)


async def department_of(user: UUID, wanted: UUID | None) -> UUID | None:
    """From which department somebody submits: the one she names, or her main one.

    Raises:
        Invalid: she does not belong to it.
    """
    directory = find_service(DIRECTORY)
    if directory is None:
        return None
    own = [department.id for department in await directory.departments_of(user)]
    if wanted is None:
        return own[0] if own else None
    if wanted not in own:
        raise invalid_field("department", "The submitter does not belong to this department.", "unknown")
    return wanted


def _by_id(process: str) -> list[Any]:
    try:
        return [col(Process.id) == UUID(process)]
    except ValueError:
        return []
