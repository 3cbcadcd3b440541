"""Schedules: one queued tick for each cron trigger, and each handled tick queues the next.

The next tick is computed from the one handled. After an outage the tick that was queued is made up for, once, and those
that were missed behind it are skipped. The id of a tick's event is its scheduled time, so each tick starts a function
once.
"""

from __future__ import annotations

import random

from . import starts
from .clock import iso
from .config import CronTrigger
from .core import Core
from .durations import MINUTE
from .models import Event, Item, Kind
from .registry import Function, Registry
from .schedule import CronSchedule
from .store import Tx
from .store import events as event_rows
from .store import queue as queue_rows

_OUTAGE = MINUTE


def plan(core: Core, tx: Tx, registry: Registry) -> None:
    """Queue the next tick of every schedule that has none, and drop the ticks of those that are gone."""
    queued = queue_rows.crons(tx)
    wanted = {_job(function, trigger): (function, trigger) for function, trigger in registry.crons()}
    for job in queued.keys() - wanted.keys():
        queue_rows.drop_job(tx, job)
    for job in wanted.keys() - queued.keys():
        _queue_next(core, tx, *wanted[job], after=core.now())


def tick(core: Core, tx: Tx, item: Item) -> None:
    """Start the function for a due tick and queue the next one."""
    payload = item.payload or {}
    function = core.registry.functions.get(item.function_id)
    trigger = None if function is None else _trigger(function, payload["cron"])
    if function is None or trigger is None or function.archived:
        return
    scheduled, now = int(payload["scheduled"]), core.now()
    # Jitter that is longer than the period makes a tick late, too, but never by more than itself.
    missed = now - item.due > _OUTAGE + trigger.jitter_ms
    _queue_next(core, tx, function, trigger, after=now if missed else scheduled)
    event = _event(core, trigger, scheduled, item.due)
    event_rows.insert(tx, event)
    starts.start(core, tx, function, event)


def _trigger(function: Function, cron: str) -> CronTrigger | None:
    triggers = (item for item in function.config.triggers if isinstance(item, CronTrigger))
    return next((trigger for trigger in triggers if trigger.cron == cron), None)


def _queue_next(core: Core, tx: Tx, function: Function, trigger: CronTrigger, *, after: int) -> None:
    scheduled = CronSchedule.parse(trigger.cron).next_after(after)
    if scheduled is None:
        return
    delay = random.randrange(trigger.jitter_ms) if trigger.jitter_ms else 0  # noqa: S311 - spreads load, no secret
    core.enqueue(
        tx, Kind.CRON, _job(function, trigger), scheduled + delay, function_id=function.id,
        payload={"cron": trigger.cron, "scheduled": scheduled},
    )  # fmt: skip


def _event(core: Core, trigger: CronTrigger, scheduled: int, due: int) -> Event:
    data = {"cron": trigger.cron, "scheduledAt": iso(scheduled), "fireAt": iso(due)}
    return core.internal_event("inngest/scheduled.timer", data, external_id=f"{iso(scheduled)[:19]}Z")


def _job(function: Function, trigger: CronTrigger) -> str:
    return f"{function.id}-cron-{trigger.cron}"
