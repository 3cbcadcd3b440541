"""Who is there, who stands in for whom, and who looks after things: what the pipeline asks the organisation."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from riveredge_approvals.ir.document import Who
from riveredge_approvals.models import Delegation, Process
from riveredge_sdk import find_service, get_service, session, utcnow
from riveredge_sdk.features.directory import DIRECTORY, ManagerChain
from riveredge_sdk.features.people import GROUPS, PEOPLE

_PAGE = 500
_KINDS = {"role": "角色", "department": "部门", "group": "用户组"}
# The role that every organisation has.
TENANT_ADMINS = "kernel.administrator"


class MissingError(LookupError):
    """There is no such role, department or group; or nothing here knows any (`value` is empty)."""

    def __init__(self, kind: str, value: str = "") -> None:
        super().__init__(f"there is no {kind} {value!r}" if value else f"nothing here knows {kind}s")
        self.chinese = f"没有{_KINDS[kind]} {value}" if value else f"没有管理{_KINDS[kind]}的插件"


class Staff(Protocol):
    """The organisation of one tenant, as of now."""

    async def active(self, users: Collection[UUID]) -> set[UUID]:
        """Those of the users who are active members."""
        ...

    async def delegates(self, users: Collection[UUID], process: str) -> Mapping[UUID, UUID]:
        """Whom users have asked to stand in for them in a process."""
        ...

    async def substitutes(self, users: Collection[UUID]) -> Mapping[UUID, Sequence[UUID]]:
        """Who stands in for those who are absent by the directory; empty where nobody does."""
        ...

    async def managers(self, user: UUID, department: UUID | None) -> ManagerChain:
        """The chain of somebody's managers."""
        ...

    async def heads(self, user: UUID, department: UUID | None, level: int) -> Sequence[UUID] | None:
        """Who leads the department that somebody submits from, or one above it; None above the top."""
        ...

    async def members(self, who: Who) -> Sequence[UUID]:
        """Who is meant by a name in the settings; nobody if there is no such role, department or group."""
        ...

    async def administrators(self) -> Sequence[UUID]:
        """The administrators of the tenant."""
        ...


async def everyone_of(kind: str, value: str, *, include_children: bool = True) -> list[UUID]:
    """All members of a role, department or group.

    Raises:
        LookupError: there is no such one, or no plugin that knows of it, as a sentence says.
    """
    try:
        return [user async for page in _pages(kind, value, include_children) for user in page]
    except LookupError as error:
        if error.args != (value,):
            raise
        raise MissingError(kind, value) from None


async def _pages(kind: str, value: str, include_children: bool) -> AsyncIterator[Sequence[UUID]]:
    after: UUID | None = None
    while True:
        page = await _page(kind, value, include_children, after)
        yield page
        if len(page) < _PAGE:
            return
        after = page[-1]


async def _page(kind: str, value: str, include_children: bool, after: UUID | None) -> Sequence[UUID]:
    if kind == "role":
        return await get_service(PEOPLE).members(role=value, after=after, limit=_PAGE)
    if kind == "group":
        if (groups := find_service(GROUPS)) is None:
            raise MissingError("group")
        return await groups.members(value, after=after, limit=_PAGE)
    if (directory := find_service(DIRECTORY)) is None:
        raise MissingError("department")
    return await directory.members(value, include_children=include_children, after=after, limit=_PAGE)


class TenantStaff:
    """The staff of the current tenant, read in the running unit of work."""

    async def active(self, users: Collection[UUID]) -> set[UUID]:
        found = await get_service(PEOPLE).find(list(users))
        return {user for user, person in found.items() if person.active}

    async def delegates(self, users: Collection[UUID], process: str) -> Mapping[UUID, UUID]:
        now = utcnow()
        of_process = select(Process.id).where(col(Process.key) == process)
        query = select(Delegation).where(
            col(Delegation.user_id).in_(users),
            col(Delegation.starts_at) <= now,
            or_(col(Delegation.ends_at).is_(None), col(Delegation.ends_at) > now),
            or_(col(Delegation.process_id).is_(None), col(Delegation.process_id).in_(of_process)),
        )
        rows = (await session().exec(query)).all()
        # What was said of this process counts before what was said of all.
        return {row.user_id: row.substitute_id for row in sorted(rows, key=lambda row: row.process_id is not None)}

    async def substitutes(self, users: Collection[UUID]) -> Mapping[UUID, Sequence[UUID]]:
        directory = find_service(DIRECTORY)
        return await directory.substitutes(list(users)) if directory is not None else {}

    async def managers(self, user: UUID, department: UUID | None) -> ManagerChain:
        directory = find_service(DIRECTORY)
        if directory is None:
            return ManagerChain(())
        try:
            return await directory.managers(user, department=str(department) if department is not None else None)
        except LookupError:
            # The department is gone since; its people have managers all the same.
            return await directory.managers(user)

    async def heads(self, user: UUID, department: UUID | None, level: int) -> Sequence[UUID] | None:
        directory = find_service(DIRECTORY)
        if directory is None:
            return None
        found = await directory.department(str(department)) if department is not None else None
        if found is None:
            own = await directory.departments_of(user)
            found = own[0] if own else None
        for _ in range(level):
            if found is not None:
                found = await directory.department(str(found.parent_id)) if found.parent_id is not None else None
        return found.heads if found is not None else None

    async def members(self, who: Who) -> Sequence[UUID]:
        value = who.value or ""
        if who.type == "everyone":
            return []
        try:
            return [UUID(value)] if who.type == "user" else await everyone_of(who.type, value)
        except (LookupError, ValueError):
            return []

    async def administrators(self) -> Sequence[UUID]:
        return await everyone_of("role", TENANT_ADMINS)
