"""Export and import of schedules and calendars."""

from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col

from riveredge_scheduling import service
from riveredge_scheduling.models import Calendar, ScheduledTask, TaskStatus
from riveredge_scheduling.permissions import CALENDAR_WRITE
from riveredge_scheduling.preview_schemas import CalendarIn
from riveredge_scheduling.repository import Calendars, Tasks
from riveredge_scheduling.schemas import TaskChange, TaskIn
from riveredge_scheduling.transfer_schemas import Document, Imported, ImportOut, TaskDocument
from riveredge_sdk import current_principal, savepoint
from riveredge_sdk.audit import record
from riveredge_sdk.problems import FieldError, Forbidden, Invalid, Problem, invalid_field

Outcome = Literal["created", "changed", "unchanged"]
# Keys that one entry of the audit log names.
_LOGGED = 50
_FIELDS = [name for name in TaskIn.model_fields if name not in {"key", "paused", "calendar_id"}]


class _OnlyLookedError(Exception):
    """Takes back what a dry run did."""


async def export() -> Document:
    """Everything of the current organisation, by key."""
    calendars = sorted(await Calendars().all(), key=lambda row: row.key)
    keys = {row.id: row.key for row in calendars}
    tasks = sorted(await Tasks().all(~service.is_system()), key=lambda row: row.key)
    return Document(
        calendars=[
            CalendarIn.model_validate(row.model_dump(include=set(CalendarIn.model_fields))) for row in calendars
        ],
        tasks=[
            TaskDocument.model_validate(
                row.model_dump(include={*_FIELDS, "key"})
                | {"paused": row.status == TaskStatus.PAUSED, "calendar": keys.get(cast("UUID", row.calendar_id))}
            )
            for row in tasks
            if row.status != TaskStatus.COMPLETED
        ],
    )


async def load(document: Document, *, dry_run: bool) -> ImportOut:
    """Create and change by key.

    Raises:
        Forbidden: a schedule of another owner would be changed, or rights are missing.
        Invalid: naming each entry at fault, as `tasks.3.trigger`.
    """
    items: list[Imported] = []
    try:
        async with savepoint():
            items += await _load_calendars(document)
            items += await _load_tasks(document)
            if dry_run:
                raise _OnlyLookedError
    except _OnlyLookedError:
        pass
    else:
        _tell_log(items)
    return ImportOut(dry_run=dry_run, items=items)


def _tell_log(items: list[Imported]) -> None:
    """An entry for each kind of thing that has changed; the first of them by their keys."""
    for kind in ("calendar", "task"):
        changed = [item for item in items if item.kind == kind and item.outcome != "unchanged"]
        if changed:
            keys = {item.key: item.outcome for item in changed[:_LOGGED]}
            details = {"count": len(changed), "keys": keys}
            record(f"scheduling.{kind}.import", f"scheduling.{kind}", "import", details=details)


async def _load_calendars(document: Document) -> list[Imported]:
    if document.calendars:
        current_principal().require(CALENDAR_WRITE)
    items = []
    for body in document.calendars:
        values = body.model_dump(mode="json")
        row = await Calendars().find(col(Calendar.key) == body.key)
        outcome: Outcome = "unchanged"
        if row is None:
            await Calendars().add(Calendar(**values))
            outcome = "created"
        elif any(getattr(row, name) != value for name, value in values.items()):
            await Calendars().change(row, values)
            for task in await Tasks().all(col(ScheduledTask.calendar_id) == row.id):
                await service.replan(task)
            outcome = "changed"
        items.append(Imported(kind="calendar", key=body.key, outcome=outcome))
    return items


async def _load_tasks(document: Document) -> list[Imported]:
    calendars = {row.key: row.id for row in await Calendars().all()}
    items: list[Imported] = []
    errors: list[FieldError] = []
    for index, body in enumerate(document.tasks):
        try:
            items.append(Imported(kind="task", key=body.key, outcome=await _load_task(body, calendars)))
        except Forbidden as problem:
            raise type(problem)(
                f"tasks.{index} ({body.key}): {problem.detail}", extensions=problem.extensions
            ) from None
        except Problem as problem:
            found = problem.errors or [FieldError("key", problem.detail, problem.code)]
            errors += [FieldError(f"tasks.{index}.{each.field}", each.message, each.code) for each in found]
    if errors:
        raise Invalid(f"{len(errors)} mistake(s); nothing was imported.", errors=errors)
    return items


async def _load_task(body: TaskDocument, calendars: dict[str, UUID]) -> Outcome:
    if body.calendar is not None and body.calendar not in calendars:
        raise invalid_field("calendar", f"There is no calendar {body.calendar!r} here.", "unknown")
    wanted: dict[str, Any] = {name: getattr(body, name) for name in _FIELDS}
    wanted["calendar_id"] = calendars[body.calendar] if body.calendar is not None else None
    task = await Tasks().find(col(ScheduledTask.key) == body.key)
    if task is None:
        await service.create(TaskIn.model_construct(**wanted, key=body.key, paused=body.paused))
        return "created"
    before = task.version
    changes = {name: value for name, value in wanted.items() if not (name == "zone" and value is None)}
    same = service.same_columns(task, changes)
    await service.change(task, TaskChange.model_construct(_fields_set=set(changes) - same, **changes))
    if body.paused and task.status == TaskStatus.ACTIVE:
        await service.pause(task)
    elif not body.paused and task.status == TaskStatus.PAUSED:
        await service.resume(task)
    return "unchanged" if task.version == before else "changed"
