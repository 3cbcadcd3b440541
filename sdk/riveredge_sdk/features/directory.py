"""The organisation of the current tenant, as other plugins see it. The directory plugin provides the port.

chain = await get_service(DIRECTORY).managers(user_id)
boss = chain.users[0] if chain.users else None

Everything is as of now: what holds from a later day is not seen before it, in the tenant's zone. People who are not
active members are left out of all answers; a chain of managers goes on above them.

Call it inside a unit of work: it reads in the caller's, and sees what that has changed. In a request there is one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from riveredge_sdk.ports import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department. `heads` are in their order: the first one counts where there can be only one."""

    id: UUID
    key: str
    name: str
    parent_id: UUID | None
    heads: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class ManagerChain:
    """Managers upwards, the direct one first, each once. `cut`: it ended because the organisation goes in a circle."""

    users: Sequence[UUID]
    cut: bool = False


class Directory(Protocol):
    """The port's interface. `department` is always an id, as text, or a key."""

    async def department(self, ref: str) -> Department | None:
        """The department; None if there is no such one."""
        ...

    async def departments(self, refs: Collection[str]) -> Mapping[str, Department]:
        """Those that there are of several departments, by the reference that was given.

        A few queries, however many references; ask for some hundreds at a time.
        """
        ...

    async def departments_of(self, user_id: UUID) -> Sequence[Department]:
        """Where somebody belongs, the main department first. Being a head alone does not make one belong."""
        ...

    async def members(
        self, department: str, *, include_children: bool = False, after: UUID | None = None, limit: int = 500
    ) -> Sequence[UUID]:
        """The next people of a department, in the order of their ids.

        Args:
            include_children: those of all departments below it, too.
            after: the last id of the page before.

        Raises:
            LookupError: there is no such department.
        """
        ...

    async def heads(self, department: str, *, level: int = 0) -> Sequence[UUID]:
        """Who leads a department, in their order; nobody where it has no heads.

        Args:
            level: 0 for its own heads, 1 for those of the department above it, and so on. Above the top there are
                none. (`department_head` of a drawing counts from 1, which is 0 here.)

        Raises:
            LookupError: there is no such department.
        """
        ...

    async def managers(self, user_id: UUID, *, department: str | None = None, limit: int = 20) -> ManagerChain:
        """The chain of somebody's managers.

        A person's manager is whom their reporting line of the department names, else their general reporting line,
        else the first head of the department, or of the nearest one above it that has another head than themselves.

        Args:
            department: as whose member they are looked at; None for their main one.
            limit: so many managers at most.

        Raises:
            LookupError: there is no such department.
        """
        ...

    async def substitutes(
        self, user_ids: Sequence[UUID], *, at: datetime | None = None
    ) -> Mapping[UUID, Sequence[UUID]]:
        """Who stands in for those of the users who are absent, in their order; the list is empty where nobody does.

        A substitute may be absent, too: ask again for her.

        Args:
            at: at this instant; None for now.
        """
        ...


DIRECTORY: Port[Directory] = Port("directory.directory", version=1)

__all__ = ["DIRECTORY", "Department", "Directory", "ManagerChain"]
