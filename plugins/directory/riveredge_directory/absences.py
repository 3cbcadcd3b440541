"""The rules of absences, and who stands in on a day."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_directory.group_schemas import AbsenceChange, AbsenceOut, OwnAbsenceIn
from riveredge_directory.models import Absence, Substitute
from riveredge_directory.repository import Absences, Substitutes, on, within
from riveredge_directory.schemas import PersonRef
from riveredge_directory.service import check_free
from riveredge_directory.turns import active, check_people, check_span, day_of
from riveredge_sdk import utcnow
from riveredge_sdk.features.people import Person
from riveredge_sdk.problems import Conflict, invalid_field

# Absences of one person that have not ended.
MAX_OPEN = 100
_CHUNK = 500


async def add(user_id: UUID, body: OwnAbsenceIn) -> Absence:
    """A new absence.

    Raises:
        Invalid: somebody stands in who cannot.
        Conflict: they are absent on some of the days already.
    """
    row = Absence(user_id=user_id, **body.model_dump(include={"note", "valid_from", "valid_until"}))
    await Absences().add(row)
    await _settle(row)
    if await Absences().count(col(Absence.user_id) == user_id, within(Absence, day_of(), None)) > MAX_OPEN:
        raise Conflict(f"There can be {MAX_OPEN} absences that have not ended. Delete some.")
    await _set_substitutes(row, body.substitutes)
    return row


async def change(row: Absence, body: AbsenceChange) -> Absence:
    """What is given."""
    values: dict[str, Any] = body.model_dump(exclude_unset=True)
    substitutes = values.pop("substitutes", None)
    # Its version counts up, too, if only the substitutes are other ones.
    await Absences().change(row, values | {"updated_at": utcnow()})
    await _settle(row)
    if substitutes is not None:
        await _set_substitutes(row, substitutes)
    return row


async def _settle(row: Absence) -> None:
    check_span(row)
    await check_free(Absences(), row, "They are absent", col(Absence.user_id) == row.user_id)


async def _set_substitutes(row: Absence, user_ids: Sequence[UUID]) -> None:
    if len({*user_ids}) < len(user_ids):
        raise invalid_field("substitutes", "Name each person once.", "duplicate")
    if row.user_id in user_ids:
        place = f"substitutes.{[*user_ids].index(row.user_id)}"
        raise invalid_field(place, "Nobody stands in for themselves.", "self")
    await check_people({f"substitutes.{index}": user_id for index, user_id in enumerate(user_ids)})
    for old in await Substitutes().all(col(Substitute.absence_id) == row.id):
        await Substitutes().delete(old)
    for index, user_id in enumerate(user_ids):
        await Substitutes().add(Substitute(absence_id=row.id, user_id=user_id, order=index))


async def substitutes_on(user_ids: Collection[UUID], day: date) -> Mapping[UUID, Sequence[Person]]:
    """For those of the users who are absent on a day: who stands in, of those who are active."""
    wanted, absent = [*user_ids], dict[UUID, UUID]()
    for start in range(0, len(wanted), _CHUNK):
        some = col(Absence.user_id).in_(wanted[start : start + _CHUNK])
        absent |= {row.id: row.user_id for row in await Absences().all(some, on(Absence, day))}
    found = await substitutes_of([*absent])
    return {user_id: found[absence_id] for absence_id, user_id in absent.items()}


async def substitutes_of(absence_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Person]]:
    """Who stands in during each of the absences, of those who are active, in their order."""
    rows: list[Substitute] = []
    for start in range(0, len(absence_ids), _CHUNK):
        some = col(Substitute.absence_id).in_(absence_ids[start : start + _CHUNK])
        rows += await Substitutes().all(some)
    people = await active({row.user_id for row in rows})
    found: dict[UUID, list[Person]] = {absence_id: [] for absence_id in absence_ids}
    for row in sorted(rows, key=lambda row: row.order):
        if row.user_id in people:
            found[row.absence_id].append(people[row.user_id])
    return found


async def shown(rows: Sequence[AbsenceOut]) -> None:
    """Add who stands in."""
    found = await substitutes_of([row.id for row in rows])
    for row in rows:
        row.substitutes = [PersonRef(id=person.id, name=person.name) for person in found[row.id]]
