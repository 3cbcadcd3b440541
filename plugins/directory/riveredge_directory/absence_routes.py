"""`/api/v1/directory/absences` for managers of the directory, and `/me/absences` for everybody."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_directory import absences as rules
from riveredge_directory.dated_routes import of_day
from riveredge_directory.group_schemas import AbsenceChange, AbsenceIn, AbsenceOut, OwnAbsenceIn
from riveredge_directory.models import Absence
from riveredge_directory.permissions import MANAGE
from riveredge_directory.repository import Absences
from riveredge_directory.schemas import DatedQuery
from riveredge_directory.turns import check_people, owned, take_turn
from riveredge_sdk import ExpectedVersion, Page, Router, current_principal
from riveredge_sdk.problems import Forbidden, NotFound

router = Router(prefix="/absences", tag="Directory: absences", audit="directory.absence")
own_router = Router(prefix="/me/absences", tag="Directory: absences", audit="directory.absence")
absences = Absences()


@router.get(require=MANAGE, summary="List absences")
async def list_absences(query: Annotated[DatedQuery, Query()]) -> Page[AbsenceOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    page = await absences.page(query, *of_day(Absence, query), into=AbsenceOut)
    await rules.shown(page.items)
    return page


@router.get("/{absence_id}", require=MANAGE, summary="One absence")
async def get_absence(absence_id: UUID) -> AbsenceOut:
    return await _shown(await absences.get(absence_id))


@router.post(require=MANAGE, summary="Note that somebody is absent")
async def create_absence(body: AbsenceIn) -> AbsenceOut:
    await take_turn()
    await check_people({"user_id": body.user_id})
    return await _shown(await rules.add(body.user_id, body))


@router.patch("/{absence_id}", require=MANAGE, summary="Change or end an absence")
async def change_absence(absence_id: UUID, body: AbsenceChange, version: ExpectedVersion) -> AbsenceOut:
    return await _shown(await rules.change(await owned(absences, absence_id, version), body))


@router.delete("/{absence_id}", require=MANAGE, summary="Delete an absence")
async def delete_absence(absence_id: UUID, version: ExpectedVersion) -> None:
    await absences.delete(await owned(absences, absence_id, version))


# -- one's own --------------------------------------------------------------------------------------------------------


@own_router.get(signed_in=True, summary="List your absences")
async def list_own_absences(query: Annotated[DatedQuery, Query()]) -> Page[AbsenceOut]:
    """Today's, those of the day `at`, or with `history` all there ever were and will be."""
    mine = (col(Absence.user_id) == _me(), *of_day(Absence, query))
    page = await absences.page(query, *mine, into=AbsenceOut)
    await rules.shown(page.items)
    return page


@own_router.get("/{absence_id}", signed_in=True, summary="One of your absences")
async def get_own_absence(absence_id: UUID) -> AbsenceOut:
    return await _shown(_mine(await absences.get(absence_id)))


@own_router.post(signed_in=True, summary="Say when you are not there, and who stands in")
async def create_own_absence(body: OwnAbsenceIn) -> AbsenceOut:
    await take_turn()
    return await _shown(await rules.add(_me(), body))


@own_router.patch("/{absence_id}", signed_in=True, summary="Change or end one of your absences")
async def change_own_absence(absence_id: UUID, body: AbsenceChange, version: ExpectedVersion) -> AbsenceOut:
    return await _shown(await rules.change(_mine(await owned(absences, absence_id, version)), body))


@own_router.delete("/{absence_id}", signed_in=True, summary="Delete one of your absences")
async def delete_own_absence(absence_id: UUID, version: ExpectedVersion) -> None:
    await absences.delete(_mine(await owned(absences, absence_id, version)))


def _me() -> UUID:
    principal = current_principal()
    if principal.kind != "user":
        raise Forbidden("Absences are of people; service accounts have none.")
    return principal.id


def _mine(row: Absence) -> Absence:
    # That somebody else has it is not told.
    if row.user_id != _me():
        raise NotFound(f"There is no absence with the id {row.id} here.")
    return row


async def _shown(row: Absence) -> AbsenceOut:
    shown = AbsenceOut.model_validate(row)
    await rules.shown([shown])
    return shown
