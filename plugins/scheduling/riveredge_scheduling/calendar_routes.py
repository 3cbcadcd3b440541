"""`/api/v1/scheduling/calendars`: workdays and holidays."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_scheduling import service
from riveredge_scheduling.models import Calendar, ScheduledTask
from riveredge_scheduling.permissions import CALENDAR_WRITE, TASK_READ
from riveredge_scheduling.preview_schemas import CalendarChange, CalendarIn, CalendarOut
from riveredge_scheduling.repository import Calendars, Tasks
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import Conflict, taken_field

router = Router(prefix="/calendars", tag="Scheduling: calendars", audit="scheduling.calendar")
calendars = Calendars()


@router.get(require=TASK_READ, summary="List calendars")
async def list_calendars(query: Annotated[ListQuery, Query()]) -> Page[CalendarOut]:
    return await calendars.page(query, into=CalendarOut)


@router.get("/{calendar_id}", require=TASK_READ, summary="One calendar")
async def get_calendar(calendar_id: UUID) -> CalendarOut:
    return CalendarOut.model_validate(await calendars.get(calendar_id))


@router.post(require=CALENDAR_WRITE, summary="Create a calendar")
async def create_calendar(body: CalendarIn) -> CalendarOut:
    await _check_key(body.key)
    return CalendarOut.model_validate(await calendars.add(Calendar(**body.model_dump(mode="json"))))


@router.patch("/{calendar_id}", require=CALENDAR_WRITE, summary="Change a calendar", max_body_size=1_000_000)
async def change_calendar(calendar_id: UUID, body: CalendarChange, version: ExpectedVersion) -> CalendarOut:
    """Schedules that follow it are planned anew."""
    row = await calendars.get(calendar_id, version=version, lock=True)
    given = body.given()
    if given.get("key", row.key) != row.key:
        await _check_key(given["key"])
    values: dict[str, Any] = body.model_dump(mode="json", include=set(given))
    await calendars.change(row, values)
    if {"weekdays", "days"} & values.keys():
        for task in await Tasks().all(col(ScheduledTask.calendar_id) == calendar_id):
            await service.replan(task)
    return CalendarOut.model_validate(row)


@router.delete("/{calendar_id}", require=CALENDAR_WRITE, summary="Delete a calendar")
async def delete_calendar(calendar_id: UUID, version: ExpectedVersion) -> None:
    row = await calendars.get(calendar_id, version=version, lock=True)
    used = await Tasks().count(col(ScheduledTask.calendar_id) == calendar_id)
    if used:
        raise Conflict(f"{used} schedule(s) follow this calendar; change them first.")
    await calendars.delete(row)


async def _check_key(key: str) -> None:
    if await calendars.find(col(Calendar.key) == key) is not None:
        raise taken_field("calendar", "key", key)
