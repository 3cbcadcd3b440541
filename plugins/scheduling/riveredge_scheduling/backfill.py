"""Backfills: run what a range of the past would have."""

from datetime import datetime, timedelta

from riveredge_scheduling.models import Fire, FireState, ScheduledTask
from riveredge_scheduling.plan import utc
from riveredge_scheduling.planning import find_workdays, hand_over, plan_of
from riveredge_scheduling.schemas import BackfillIn, BackfillOut
from riveredge_scheduling.settings import SchedulingSettings
from riveredge_sdk import current_principal, session, utcnow, uuid7
from riveredge_sdk.problems import invalid_field

_TICK = timedelta(microseconds=1)
_SHOWN = 20


async def look(task: ScheduledTask, body: BackfillIn) -> BackfillOut:
    """What it would run, without running it. One more than allowed shows that there are too many.

    Raises:
        Invalid: the range is not of the past, or the schedule has no plan.
    """
    instants = await _instants(task, body)
    limit = SchedulingSettings().max_backfill
    return BackfillOut(
        batch=None,
        count=len(instants),
        limit=limit,
        first=instants[:_SHOWN],
        last=instants[-1] if instants else None,
    )


async def start(task: ScheduledTask, body: BackfillIn) -> BackfillOut:
    """Write the fires and let the first one start; among each other they follow the body's overlap policy.

    Raises:
        Invalid: as for `look`, or there are none or too many.
    """
    found = await look(task, body)
    if found.count > found.limit:
        raise invalid_field("end", f"At most {found.limit} fires at once; take a shorter range.", "too_many")
    if not found.count:
        raise invalid_field("start", "Nothing would have fired in this range.", "empty")
    now, batch = utcnow(), str(uuid7())
    in_turn = body.overlap in {"buffer_all", "buffer_one"}
    rows = []
    for number, nominal in enumerate(await _instants(task, body)):
        waits = in_turn and number > 0
        rows.append(
            Fire(
                tenant_id=task.tenant_id,
                task_id=task.id,
                task_key=task.key,
                action=task.action,
                revision=task.revision,
                kind="backfill",
                batch=batch,
                nominal_at=nominal,
                fire_at=now,
                sent_at=now,
                state=FireState.BUFFERED if waits else FireState.PLANNED,
                reason="in_turn" if waits else None,
                overlap="buffer_all" if in_turn else body.overlap,
                requested_by=current_principal().id,
            )
        )
    session().add_all(rows)
    await session().flush()
    hand_over([vars(row) for row in rows])
    return found.model_copy(update={"batch": batch})


async def _instants(task: ScheduledTask, body: BackfillIn) -> list[datetime]:
    if task.trigger_kind == "fixed_delay":
        raise invalid_field("start", "A fixed delay has no plan: nothing was due in the past.", "trigger")
    if body.end > utcnow():
        raise invalid_field("end", "The range ends in the future.", "future")
    if body.end < body.start:
        raise invalid_field("end", "The range ends before it starts.", "order")
    plan = plan_of(task, await find_workdays(task.calendar_id))
    limit = SchedulingSettings().max_backfill
    return list(plan.between(utc(body.start) - _TICK, utc(body.end), limit + 1))
