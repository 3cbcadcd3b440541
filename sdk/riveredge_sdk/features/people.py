"""People of the current tenant, as other plugins see them. The kernel provides the port.

person = (await get_service(PEOPLE).find([user_id])).get(user_id)
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from riveredge_sdk.auth import Principal
from riveredge_sdk.ports import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member. `locale` is a BCP 47 tag and `timezone` an IANA name; the tenant's where the person has none."""

    id: UUID
    name: str
    email: str
    locale: str
    timezone: str
    active: bool = True


class People(Protocol):
    """The port's interface."""

    async def find(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Person]:
        """Those of the users who are members of the current tenant, by id."""
        ...

    async def find_by_email(self, emails: Sequence[str]) -> Mapping[str, Person]:
        """Those whose addresses these are and who are members of the current tenant, by the address as it was given.

        Case and blanks around an address make no difference. Ask for some hundreds at a time.
        """
        ...

    async def principal(self, principal_id: UUID) -> Principal | None:
        """Somebody with what they may do in the current tenant now: for work done later on their behalf.

        None if they are neither an active member nor an active service account of it.
        """
        ...

    async def roles(self, keys: Collection[str]) -> Mapping[str, bool]:
        """Those of the keys that are roles of the current tenant: whether any active member holds it.

        One query, however many keys; ask for some hundreds at a time.
        """
        ...

    async def members(self, *, role: str | None = None, after: UUID | None = None, limit: int = 500) -> Sequence[UUID]:
        """The next active members of the current tenant, or of one of its roles, in the order of their ids.

        Args:
            role: a role's key.
            after: the last id of the page before.

        Raises:
            LookupError: there is no such role.
        """
        ...


PEOPLE: Port[People] = Port("kernel.people", version=1)


class Groups(Protocol):
    """The port's interface: groups of people, for plugins that keep a directory of the organisation."""

    async def known(self, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that are groups. One query, however many keys; ask for some hundreds at a time."""
        ...

    async def members(self, group: str, *, after: UUID | None = None, limit: int = 500) -> Sequence[UUID]:
        """The next members of a group, those of groups within it among them, in the order of their ids.

        Args:
            group: its key.
            after: the last id of the page before.

        Raises:
            LookupError: there is no such group.
        """
        ...


GROUPS: Port[Groups] = Port("directory.groups", version=1)
