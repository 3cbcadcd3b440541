"""Which process is started, and who may."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from riveredge_approvals.ir.document import CompiledFlow, Who
from riveredge_approvals.models import Process, ProcessVersion
from riveredge_approvals.people.staff import TenantStaff
from riveredge_approvals.problems import VersionArchived
from riveredge_approvals.speech import told
from riveredge_sdk import find_service, session
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.problems import Conflict, NotFound, invalid_field


async def published(process: str) -> ProcessVersion:
    """The version of a process on which new requests run.

    Args:
        process: its key or id; a key counts more than an id that reads the same.

    Raises:
        NotFound: there is no such process.
        VersionArchived: it is archived.
        Conflict: it was never published.
    """
    query = select(Process).where(or_(col(Process.key) == process, *_by_id(process)))
    named = sorted((await session().exec(query)).all(), key=lambda row: row.key != process)
    if not named:
        raise NotFound(f"There is no process {process!r} here.")
    found = named[0]
    if found.archived_at is not None:
        raise VersionArchived(told(f"The process {found.key!r} is archived.", f"流程 {found.key} 已归档。"))
    if found.published is None:
        raise Conflict(told(f"The process {found.key!r} has not been published yet.", f"流程 {found.key} 尚未发布。"))
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
    return who.type == "everyone" or user in await TenantStaff().members(who)


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
        raise invalid_field(
            "department", told("The submitter does not belong to this department.", "提交人不属于此部门。"), "unknown"
        )
    return wanted


def _by_id(process: str) -> list[Any]:
    try:
        return [col(Process.id) == UUID(process)]
    except ValueError:
        return []
