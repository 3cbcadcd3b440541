"""What every change of the organisation begins with, and what its rules share."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from riveredge_directory.models import Dated, Organisation
from riveredge_sdk import Repository, TenantModel, current_context, get_service, savepoint, session, utcnow
from riveredge_sdk.features.people import PEOPLE, Person
from riveredge_sdk.problems import FieldError, Invalid, invalid_field

RowT = TypeVar("RowT", bound=TenantModel)
# So many people are asked for at a time.
_CHUNK = 500


async def take_turn() -> None:
    """Wait until nobody else changes the current tenant's organisation; until the unit of work ends, nobody will.

    Call it before anything is read that the change depends on.
    """
    mine = select(Organisation).with_for_update()
    if (await session().exec(mine)).first() is not None:
        return
    try:
        async with savepoint():
            session().add(Organisation())
            await session().flush()
    except IntegrityError:
        # Somebody else was first to change something.
        await session().exec(mine)


def day_of(moment: datetime | None = None) -> date:
    """The day in the current tenant's zone; None for now."""
    return (moment or utcnow()).astimezone(ZoneInfo(current_context().timezone)).date()


def check_span(row: Dated) -> None:
    """Raise `Invalid` if the row ends before it begins."""
    if row.valid_until is not None and row.valid_until < row.valid_from:
        raise invalid_field("valid_until", f"It begins on {row.valid_from}; the last day cannot be before.", "order")


async def active(user_ids: Collection[UUID]) -> Mapping[UUID, Person]:
    """Those of the users who are active members of the current tenant."""
    wanted, found = [*user_ids], dict[UUID, Person]()
    for start in range(0, len(wanted), _CHUNK):
        some = await get_service(PEOPLE).find(wanted[start : start + _CHUNK])
        found |= {user_id: person for user_id, person in some.items() if person.active}
    return found


async def check_people(people: Mapping[str, UUID]) -> None:
    """Raise `Invalid` about the fields, by name, whose user is no active member."""
    found = await active({*people.values()})
    errors = [
        FieldError(field, f"{user_id} is no active member of this organisation.", "unknown")
        for field, user_id in people.items()
        if user_id not in found
    ]
    if errors:
        raise Invalid("Some people are no active members of this organisation.", errors=errors)


async def owned(rows: Repository[RowT], row_id: UUID, version: int) -> RowT:
    """The row, to change it: in turn, in the version that the client has seen."""
    await take_turn()
    return await rows.get(row_id, version=version)
