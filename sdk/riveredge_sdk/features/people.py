"""People of the current tenant, as other plugins see them. The kernel provides the port.

person = (await get_service(PEOPLE).find([user_id])).get(user_id)
"""

from collections.abc import Mapping, Sequence
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

    async def principal(self, principal_id: UUID) -> Principal | None:
        """Somebody with what they may do in the current tenant now: for work done later on their behalf.

        None if they are neither an active member nor an active service account of it.
        """
        ...


PEOPLE: Port[People] = Port("kernel.people", version=1)
